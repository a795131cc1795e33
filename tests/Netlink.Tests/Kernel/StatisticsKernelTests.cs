using System.Net;
using System.Net.Sockets;
using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using static CniIsolator.Netlink.Tests.Kernel.PrivateNamespace;

namespace CniIsolator.Netlink.Tests.Kernel;

/// <summary>Counters of qdiscs, classes and u32 actions against this machine's kernel; device 7 sends, device 8 receives.</summary>
public sealed class StatisticsKernelTests : IDisposable
{
    private const uint Handle = 0x10000; // 1:
    private const uint First = 0x10001; // 1:1
    private const uint Default = 0x10002; // 1:2
    private const uint Leaf = 0x20000; // 2:
    private const int Down = 17;

    // Ethernet, IPv4 and UDP headers before 100 bytes.
    private const ulong PacketBytes = 14 + 20 + 8 + 100;

    private static readonly HtbClass Wide = new(First, Handle, 1_000_000_000, 1_000_000_000, 1_000_000, 1_000_000, 60_000);
    private static readonly FilterAttachment At = new(8, TcHandle.Ingress, 10, EthernetProtocol.InternetProtocol);
    private static readonly InternetAddress Far = InternetAddress.Parse("10.77.0.1");
    private readonly PrivateNamespace _host = Create();
    private readonly NetlinkConnection _connection;

    public StatisticsKernelTests()
    {
        _connection = _host.Connect();
        _host.AddPair(_connection);
        Execute(_connection, b => Addresses.Add(b, 7, InternetAddress.Parse("10.77.0.2"), 24));
        Execute(_connection, b => Neighbours.AddStale(b, 7, Far, MacAddress.Parse("02:00:00:00:00:09")));
    }

    public void Dispose()
    {
        _connection.Dispose();
        _host.Dispose();
    }

    [Fact]
    public void Class_and_its_leaf_count_what_is_sent()
    {
        AddShaper(Wide);
        Execute(_connection, b => AddFifo(b, 7, First, Leaf));
        var before = Class(First);
        Assert.Equal(new TcStatistic(7, "htb", First, Handle, default), before);

        Send(First, 20);
        WaitFor(() => Class(First).Counters.Packets == 20);

        var sent = new QueueStatistics(20 * PacketBytes, 20, 0, 0, 0, 0, 0);
        Assert.Equal(sent, Class(First).Counters with { Overlimits = 0 });
        Assert.Equal(new TcStatistic(7, "bfifo", Leaf, First, sent), Qdisc(Leaf));

        // Others may have sent through it: IPv6 is not silent.
        var root = Qdisc(Handle);
        Assert.Equal(("htb", TcHandle.Root), (root.Kind, root.Parent));
        Assert.True(root.Counters.Packets >= 20 && root.Counters.Bytes >= 20 * PacketBytes, root.ToString());
        Assert.Contains(TcStatistics.ListQdiscs(_connection, 0), q => q.Handle == Leaf);
    }

    [Fact]
    public void What_waits_is_told_and_that_the_rate_was_reached()
    {
        AddShaper(Wide with { Rate = 1, Ceil = 1, Buffer = 1, CeilBuffer = 1 });
        Execute(_connection, b => AddFifo(b, 7, First, Leaf));
        Send(First, 20);
        WaitFor(() => Class(First).Counters is var c && c.Packets + c.QueueLength == 20 && Qdisc(Handle).Counters.Overlimits > 0);

        var leaf = Qdisc(Leaf).Counters;
        Assert.InRange(leaf.QueueLength, 1u, 20u);
        Assert.Equal(20 * PacketBytes, leaf.Bytes + leaf.Backlog);
        Assert.Equal(leaf.QueueLength * PacketBytes, leaf.Backlog);
        Assert.Equal(leaf.Backlog, Class(First).Counters.Backlog);
    }

    [Fact]
    public void Drops_are_told()
    {
        AddShaper(Wide);
        Send(Handle, 30);
        WaitFor(() => Qdisc(Handle).Counters.Drops == 30);
        Assert.Equal(default, Class(First).Counters);
    }

    [Fact]
    public void Fair_queue_tells_more_where_the_kernel_has_it()
    {
        AddShaper(Wide);
        var batch = new NetlinkBatch();
        FqCodel.Add(batch, 7, First, Leaf, new FqCodelSettings(), "fq_codel");
        if (_connection.Execute(batch) is [var refused])
        {
            Assert.Equal(Errno.NoEntry, refused.Errno);
            return;
        }

        Send(First, 20);
        WaitFor(() => Qdisc(Leaf).Counters.Packets == 20);
        var found = Qdisc(Leaf);
        Assert.Equal(("fq_codel", First, 20 * PacketBytes), (found.Kind, found.Parent, found.Counters.Bytes));
        Assert.InRange(found.FqCodel!.Value.NewFlows, 1u, 20u);
        Assert.Equal((0u, 0u, 0u), (found.FqCodel.Value.EcnMarks, found.FqCodel.Value.DropsOverLimit, found.FqCodel.Value.DropsOverMemory));

        // With a rate that lets nothing through, its flow holds the packets, and is a class.
        Execute(_connection, b => Htb.SetClass(b, 7, Wide with { Rate = 1, Ceil = 1, Buffer = 1, CeilBuffer = 1 }, "slow"));
        Send(First, 20);
        WaitFor(() => Qdisc(Leaf).Counters is var c && c.Packets + c.QueueLength == 40 && c.QueueLength > 0);
        found = Qdisc(Leaf);
        Assert.True(found.FqCodel!.Value.MemoryUsage >= found.Counters.Backlog, found.ToString());
        Assert.InRange(found.FqCodel.Value.NewFlowsLength + found.FqCodel.Value.OldFlowsLength, 1u, 2u);
        Assert.Contains(TcStatistics.ListClasses(_connection, 7), c => c is { Kind: "fq_codel", FqCodel: null } && c.Counters.QueueLength == found.Counters.QueueLength);
    }

    [Fact]
    public void Device_that_is_absent_has_nothing()
    {
        Assert.Empty(TcStatistics.ListQdiscs(_connection, 99));
        Assert.Empty(TcStatistics.ListClasses(_connection, 99));
        Assert.Empty(U32Filters.ListStatistics(_connection, At));
        Assert.Empty(U32Filters.ListStatistics(_connection, At with { Index = 99 }));
    }

    [Fact]
    public void Nodes_count_what_their_action_got()
    {
        AddFilters();
        Send(0, 20);
        WaitFor(() => Node(1).Packets == 20);

        // On ingress the Ethernet header has been taken off.
        Assert.Equal(new QueueStatistics(20 * (PacketBytes - 14), 20, 0, 0, 0, 0, 0), Node(1));
        Assert.Equal(default, Node(3));

        // A node without an action, a table and another priority are not told of.
        var listed = U32Filters.ListStatistics(_connection, At);
        Assert.Equal([1, 2, 3], listed.Select(s => s.Handle.Node).Order());
        Assert.Equal(
            U32Filters.List(_connection, At).OfType<U32Node>().Where(n => n.Action is not null).Select(n => n.Handle), listed.Select(s => s.Handle));
        Assert.Empty(U32Filters.ListStatistics(_connection, At with { Priority = 11 }));
    }

    [Fact]
    public void Redirect_to_a_device_that_is_down_shows_in_overlimits()
    {
        AddFilters();
        Execute(_connection, b => U32Filters.Delete(b, At, new U32Handle(1, 0, 1), "delete"));
        Execute(_connection, b => Links.CreateVeth(
            b,
            new VethEnd($"pmiv-{Environment.ProcessId}", Down),
            new VethEnd($"pmiw-{Environment.ProcessId}", Down + 1),
            _host.Opened.Descriptor,
            new MacAddress([2, 0, 0, 0, 0, 8]),
            1500));
        var node = new U32Node(At, new U32Handle(1, 0, 1), [U32Key.Any]) { Action = Mirred.Redirect(Down) };
        Execute(_connection, b => U32Filters.Add(b, node, "to the device that is down"));
        Send(0, 20);
        WaitFor(() => Node(1).Packets == 20);
        Assert.Equal(20u, Node(1).Overlimits);
    }

    private void AddShaper(HtbClass first) => Execute(_connection, b =>
    {
        Htb.AddQdisc(b, 7, Handle, new HtbSettings(Default & 0xffff, 0), "qdisc");
        Htb.AddClass(b, 7, first, "1:1");
        Htb.AddClass(b, 7, Wide with { Handle = Default }, "1:2");
    });

    private void AddFilters() => Execute(_connection, b =>
    {
        Qdiscs.AddClsact(b, 8, "clsact");
        Filters().ForEach(f => U32Filters.Add(b, f, $"add {f}"));
    });

    // The root table sends all to table 1, whose first node takes it; lo drops what is not for its MAC.
    private static List<U32Filter> Filters() =>
    [
        new U32Table(At, new U32Handle(1, 0, 0), 1),
        new U32Node(At, new U32Handle(0, 0, 4), [U32Key.Any]) { Link = new U32Link(1) },
        new U32Node(At, new U32Handle(1, 0, 1), [U32Key.Any]) { Action = Mirred.Redirect(1) },
        new U32Node(At, new U32Handle(1, 0, 2), [U32Key.Any]) { Action = Mirred.Redirect(1) },
        new U32Node(At, new U32Handle(0, 0, 3), [new U32Key(0x00060000, 0x00ff0000, 8)]) { Action = Mirred.Redirect(1) },
    ];

    private TcStatistic Qdisc(uint handle) => TcStatistics.ListQdiscs(_connection, 7).Single(q => q.Handle == handle);

    private TcStatistic Class(uint handle) => TcStatistics.ListClasses(_connection, 7).Single(c => c.Handle == handle);

    private QueueStatistics Node(int node) => U32Filters.ListStatistics(_connection, At).Single(s => s.Handle.Node == node).Counters;

    /// <summary>Sends datagrams out of the device 7 with a socket priority, which names a class to htb.</summary>
    private void Send(uint priority, int count) => _host.Opened.Run(() =>
    {
        const int SolSocket = 1;
        const int SoPriority = 12;
        using var socket = new Socket(System.Net.Sockets.AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.SetRawSocketOption(SolSocket, SoPriority, BitConverter.GetBytes(priority));
        for (var i = 0; i < count; i++)
        {
            socket.SendTo(new byte[100], new IPEndPoint(IPAddress.Parse(Far.ToString()), 9));
        }
    });

    private static void WaitFor(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(20)));
}
