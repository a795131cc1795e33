using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using static CniIsolator.Netlink.Tests.Kernel.PrivateNamespace;

namespace CniIsolator.Netlink.Tests.Kernel;

/// <summary>htb, its classes and what their packets do, against this machine's kernel.</summary>
public sealed class ShaperKernelTests : IDisposable
{
    private const uint Handle = 0x10000; // 1:
    private const uint First = 0x10001; // 1:1
    private const uint Default = 0x10002; // 1:2

    private static readonly HtbClass Wide = new(First, Handle, 1_000_000_000, 1_000_000_000, 1_000_000, 1_000_000, 60_000);
    private readonly PrivateNamespace _host = Create();
    private readonly NetlinkConnection _connection;

    public ShaperKernelTests()
    {
        _connection = _host.Connect();
        _host.AddPair(_connection);
    }

    public void Dispose()
    {
        _connection.Dispose();
        _host.Dispose();
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(0xfffe, 1000)]
    [InlineData(0, uint.MaxValue)]
    public void Qdisc_reads_back_as_requested(uint defaultClass, uint directQueueLength)
    {
        var settings = new HtbSettings(defaultClass, directQueueLength);
        Execute(_connection, b => Htb.AddQdisc(b, 7, Handle, settings, "add"));

        var found = Qdiscs.Find(_connection, 7, TcHandle.Root);
        Assert.Equal(new Qdisc(7, "htb", Handle, TcHandle.Root, 0) { Htb = settings }, found);
        Assert.False(found!.IsDefault);
        Assert.Contains(found, Qdiscs.List(_connection, 7));
        Assert.Empty(Htb.ListClasses(_connection, 7));
    }

    [Fact]
    public void Classes_read_back_as_requested()
    {
        ulong[] rates = [1, 1000, 125_000, uint.MaxValue - 1, uint.MaxValue, 1UL << 32, (1UL << 32) + 1, 12_500_000_000, 50_000_000_000, 1_000_000_000_000, long.MaxValue];
        uint[] buffers = [1, 1514, 1_562_500, int.MaxValue, uint.MaxValue];
        uint[] quanta = [1, 1514, 60_000, 200_001, int.MaxValue];
        var wanted = new List<HtbClass>();
        foreach (var rate in rates)
        {
            foreach (var ceil in rates.Where(r => r >= rate))
            {
                var n = wanted.Count;
                wanted.Add(new HtbClass(
                    Handle | (uint)(n + 1), Handle, rate, ceil, buffers[n % buffers.Length], buffers[(n / buffers.Length) % buffers.Length], quanta[n % quanta.Length]));
            }
        }

        wanted.Add(new HtbClass(Handle | 0xfffe, First, 125_000, 125_000, 100, 100, 1514));
        Execute(_connection, b =>
        {
            Htb.AddQdisc(b, 7, Handle, new HtbSettings(1, 0), "qdisc");
            wanted.ForEach(c => Htb.AddClass(b, 7, c, $"add {c}"));
        });

        // 1:1 has become an inner class, whose quantum the kernel still shows.
        Assert.Equal(wanted, Htb.ListClasses(_connection, 7).OrderBy(c => c.Handle));
        Assert.Empty(Htb.ListClasses(_connection, 8));
        Assert.Empty(Htb.ListClasses(_connection, 99));
    }

    [Fact]
    public void Class_that_exists_or_has_no_rate_is_refused()
    {
        AddShaper(directQueueLength: 0);
        Assert.Equal(Errno.Exists, Refusal(b => Htb.AddClass(b, 7, Wide with { Rate = 1 }, "again")));
        Assert.Equal(Errno.Invalid, Refusal(b => Htb.AddClass(b, 7, Wide with { Handle = Handle | 9, Rate = 0 }, "no rate")));
        Assert.Equal(Errno.Invalid, Refusal(b => Htb.SetClass(b, 7, Wide with { Ceil = 0 }, "no ceil")));
        Assert.Equal([Wide, Wide with { Handle = Default }], Htb.ListClasses(_connection, 7).OrderBy(c => c.Handle));
    }

    [Fact]
    public void Setting_an_absent_class_makes_it()
    {
        AddShaper(directQueueLength: 0);
        Execute(_connection, b => Htb.SetClass(b, 7, Wide with { Handle = Handle | 9 }, "set"));
        Assert.Contains(Htb.ListClasses(_connection, 7), c => c == Wide with { Handle = Handle | 9 });
    }

    [Fact]
    public void Change_keeps_the_class_and_its_counters_and_its_leaf()
    {
        AddShaper(directQueueLength: 0);
        Execute(_connection, b => AddFifo(b, 7, First, 0x20000));
        Send(First, 20);
        WaitFor(() => Counters(RouteMessage.GetClass, First).Packets == 20);
        var before = Counters(RouteMessage.GetClass, First);

        var wanted = Wide with { Rate = 125_000, Ceil = 12_500_000_000, Buffer = 5, CeilBuffer = 6, Quantum = 1514 };
        Execute(_connection, b => Htb.SetClass(b, 7, wanted, "change"));

        Assert.Equal(wanted, Htb.ListClasses(_connection, 7).Single(c => c.Handle == First));
        Assert.Equal(before, Counters(RouteMessage.GetClass, First));
        Assert.Equal(0x20000u, Qdiscs.Find(_connection, 7, First)?.Handle);

        // And back below 32 bits: the wide ceil does not stay behind.
        Execute(_connection, b => Htb.SetClass(b, 7, wanted with { Ceil = 125_000 }, "change back"));
        Assert.Equal(125_000ul, Htb.ListClasses(_connection, 7).Single(c => c.Handle == First).Ceil);
    }

    [Fact]
    public void Packets_that_ask_for_the_unshaped_queue_are_dropped()
    {
        AddShaper(directQueueLength: 0);
        Send(Handle, 30);
        WaitFor(() => Counters(RouteMessage.GetQdisc, Handle).Drops == 30);
        Assert.Equal(0u, Counters(RouteMessage.GetQdisc, Handle).Direct);
        Assert.Equal(0u, Counters(RouteMessage.GetClass, First).Packets);

        // A class may still be asked for, and is shaped.
        Send(First, 30);
        WaitFor(() => Counters(RouteMessage.GetClass, First).Packets == 30);
        Assert.Equal(30u, Counters(RouteMessage.GetQdisc, Handle).Drops);
    }

    [Fact]
    public void Without_that_setting_they_pass_by_every_limit()
    {
        AddShaper(directQueueLength: 1000);
        Send(Handle, 30);
        WaitFor(() => Counters(RouteMessage.GetQdisc, Handle).Direct == 30);
        Assert.Equal(0u, Counters(RouteMessage.GetQdisc, Handle).Drops);
    }

    [Fact]
    public void Kernel_does_not_complain_about_a_quantum_that_is_named()
    {
        // Older kernels put the complaint into the log, newer ones into the acknowledgement. The log is everybody's, hence the number.
        var named = Handle | (uint)Random.Shared.Next(0x1000, 0xf000);
        var unnamed = named + 2;
        using var recorder = _host.Opened.Run(() => new Recorder(NetlinkSocket.Open(NetlinkFamily.Route)));
        using var connection = new NetlinkConnection(recorder);
        Execute(connection, b =>
        {
            Htb.AddQdisc(b, 7, Handle, new HtbSettings(1, 0), "qdisc");
            Htb.AddClass(b, 7, Wide with { Handle = named, Rate = 1, Ceil = 1, Quantum = 1514 }, "slow");
            Htb.AddClass(b, 7, Wide with { Handle = named + 1, Rate = 50_000_000_000, Ceil = 50_000_000_000 }, "fast");
            Htb.AddClass(b, 7, Wide with { Handle = unnamed, Rate = 1, Ceil = 1, Quantum = 0 }, "unnamed");
        });

        var log = KernelLog();
        var complaints = recorder.Text() + log;
        Assert.DoesNotContain($"quantum of class {named:X}", complaints, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain($"quantum of class {named + 1:X}", complaints, StringComparison.OrdinalIgnoreCase);
        if (log is not null)
        {
            Assert.Contains($"quantum of class {unnamed:X}", complaints, StringComparison.OrdinalIgnoreCase);
        }
    }

    private void AddShaper(uint directQueueLength) => Execute(_connection, b =>
    {
        Htb.AddQdisc(b, 7, Handle, new HtbSettings(Default & 0xffff, directQueueLength), "qdisc");
        Htb.AddClass(b, 7, Wide, "1:1");
        Htb.AddClass(b, 7, Wide with { Handle = Default }, "1:2");
    });

    private Errno Refusal(Action<NetlinkBatch> write) => Assert.Throws<NetlinkException>(() => Execute(_connection, write)).Errno;

    /// <summary>Sends datagrams out of the device 7 with a socket priority, which names a class to htb.</summary>
    private void Send(uint priority, int count)
    {
        const int SolSocket = 1;
        const int SoPriority = 12;
        var address = InternetAddress.Parse("10.77.0.1");
        if (Addresses.List(_connection, 7).Count == 0)
        {
            Execute(_connection, b => Addresses.Add(b, 7, InternetAddress.Parse("10.77.0.2"), 24));
            Execute(_connection, b => Neighbours.AddStale(b, 7, address, MacAddress.Parse("02:00:00:00:00:09")));
        }

        _host.Opened.Run(() =>
        {
            using var socket = new Socket(System.Net.Sockets.AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.SetRawSocketOption(SolSocket, SoPriority, BitConverter.GetBytes(priority));
            for (var i = 0; i < count; i++)
            {
                socket.SendTo(new byte[100], new IPEndPoint(IPAddress.Parse(address.ToString()), 9));
            }
        });
    }

    private static void WaitFor(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(20)));

    /// <summary>What the kernel counted at a qdisc or class of the device 7.</summary>
    private ShaperCounters Counters(RouteMessage dump, uint handle)
    {
        const ushort Statistics = 7; // TCA_STATS2
        const ushort Basic = 1; // TCA_STATS_BASIC: bytes, 64 bits; packets
        const ushort Queue = 3; // TCA_STATS_QUEUE: qlen, backlog, drops, ...
        var request = new NetlinkBatch(256);
        using (var message = request.Message((ushort)dump, MessageFlags.Dump, "count"))
        {
            message.Structure(new TcHeader { Index = 7 });
        }

        var counters = default(ShaperCounters);
        _connection.Dump(
            request,
            received =>
            {
                var header = received.Structure<TcHeader>();
                if (header.Index != 7 || header.Handle != handle)
                {
                    return;
                }

                foreach (var attribute in received.Attributes<TcHeader>())
                {
                    if (attribute.Type == Statistics)
                    {
                        foreach (var one in attribute.Nested)
                        {
                            counters = one.Type switch
                            {
                                Basic => counters with { Bytes = one.As<ulong>(), Packets = BitConverter.ToUInt32(one.Value[8..]) },
                                Queue => counters with { Drops = BitConverter.ToUInt32(one.Value[8..]) },
                                _ => counters,
                            };
                        }
                    }
                    else if (attribute.Type == (ushort)TcAttribute.Options)
                    {
                        foreach (var one in attribute.Nested)
                        {
                            if (dump == RouteMessage.GetQdisc && one.Type == (ushort)HtbAttribute.Qdisc)
                            {
                                counters = counters with { Direct = one.As<HtbQdiscParameters>().DirectPackets };
                            }
                        }
                    }
                }
            },
            () => counters = default);
        return counters;
    }

    /// <summary>What dmesg(1) shows, or null where it may not.</summary>
    private static string? KernelLog()
    {
        using var process = Process.Start(new ProcessStartInfo("dmesg") { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var log = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 && errors.Result.Length == 0 ? log : null;
    }

    private readonly record struct ShaperCounters(ulong Bytes, uint Packets, uint Drops, uint Direct);

    /// <summary>A transport that keeps what the kernel answered.</summary>
    private sealed class Recorder(NetlinkSocket socket) : INetlinkTransport
    {
        private readonly StringBuilder _text = new();

        public uint PortId => socket.PortId;

        public void Send(ReadOnlySpan<byte> datagram) => socket.Send(datagram);

        public int Receive(Span<byte> buffer, out uint senderPortId)
        {
            var length = socket.Receive(buffer, out senderPortId);
            _text.Append(Encoding.Latin1.GetString(buffer[..length]));
            return length;
        }

        public string Text() => _text.ToString();

        public void Dispose() => socket.Dispose();
    }
}
