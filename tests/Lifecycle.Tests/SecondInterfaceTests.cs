using System.Net;
using System.Net.Sockets;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>
/// A namespace that has a network of its own already gets a second interface: nothing of the first one changes, then or when the second goes.
/// </summary>
public sealed class SecondInterfaceTests : IDisposable
{
    private const string Second = "net1";
    private static readonly IPAddress Behind = IPAddress.Parse("203.0.113.9");
    private static readonly IPAddress BehindV6 = IPAddress.Parse("2001:db8::9");

    private readonly Bed _bed = new();
    private readonly Namespace _far = Namespace.Create("far");

    public void Dispose()
    {
        _far.Dispose();
        _bed.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_comes_beside_the_first_one_and_goes_without_a_trace(bool hasDefaultRoute)
    {
        Namespace container = Guest(hasDefaultRoute);
        NetworkConfig config = _bed.Config.WithPorts(31005);
        KernelState before = Bed.Settled(container);
        string[] sysctls = Sysctls(container);
        using EchoServer server = EchoServer.Start(_far, Transport.Tcp, BehindV6, 7007);
        using (Conversation conversation = await Conversation.StartAsync(container, server.EndPoint))
        {
            PluginResult added = _bed.Plugin.Add(container, "c1", Second, config: config).Require();
            conversation.RequireProgress();
            Assert.Equal(hasDefaultRoute ? [] : ["0.0.0.0/0"], Routes(added));
            AssertFirstIsTheSame(before, sysctls, container, hasDefaultRoute);
            Assert.Equal(
                hasDefaultRoute ? "default via 172.30.0.1 dev eth0" : "default via 10.77.0.1 dev net1 onlink",
                container.Ip("-4 route show default").Trim());
            await _bed.AssertReachableAsync(container, 31005);
            await AssertReachesAsync(_bed.Host, container, _bed.Net.HostAddress, 31005);
            await _bed.AssertReachesOutAsync(container, "c1");
            AssertPortsOfSlice(container);
            await AssertFirstWorksAsync(container, hasDefaultRoute);
            _bed.Plugin.Check(container, "c1", Second, config: config).Require();
            CommandResult repaired = _bed.Plugin.CommandLine("repair", "--all");
            Assert.True(repaired.ExitCode == 0 && repaired.Output == "nothing to repair\n", repaired.ToString());
            Assert.True((bool)_bed.Listed("c1")["healthy"]!);
            AssertFirstIsTheSame(before, sysctls, container, hasDefaultRoute);
            conversation.RequireProgress();

            _bed.Plugin.Del(container, "c1", Second, config: config).Require();
            conversation.RequireProgress();
        }

        Bed.Unchanged(before, container);
        Assert.Equal(sysctls, Sysctls(container));
        await AssertFirstWorksAsync(container, hasDefaultRoute);
        _bed.AssertClean();
    }

    [Fact]
    public async Task A_repair_leaves_the_first_one_alone_as_well()
    {
        Namespace container = Guest();
        NetworkConfig config = _bed.Config.WithPorts(31005);
        KernelState before = Bed.Settled(container);
        string[] sysctls = Sysctls(container);
        _bed.Plugin.Add(container, "c1", Second, config: config).Require();
        container.Ip($"address flush dev {Second}");
        container.Tc("qdisc del dev lo clsact");
        container.Sysctl("net/ipv4/ip_local_port_range", "32768 60999");
        _bed.Host.IpBatch("address flush dev eth0 scope global", "address add 10.77.0.9/24 dev eth0", "route add default via 10.77.0.1 dev eth0");
        CommandResult repaired = _bed.Plugin.CommandLine("repair", "--all");
        Assert.True(repaired.ExitCode == 0 && repaired.Error.Length == 0, repaired.ToString());
        AssertFirstIsTheSame(before, sysctls, container, hasDefaultRoute: true);
        Assert.Contains("10.77.0.9/24", container.Ip($"address show dev {Second}"), StringComparison.Ordinal);
        await AssertReachesAsync(_bed.Net.Out, container, IPAddress.Parse("10.77.0.9"), 31005);
        await AssertFirstWorksAsync(container, hasDefaultRoute: true);
        AssertPortsOfSlice(container);
        _bed.Plugin.Del(container, "c1", Second, config: config).Require();
        Bed.Unchanged(before, container);
        Assert.Equal(sysctls, Sysctls(container));
    }

    [Theory]
    [InlineData(false, "at our handle on the host")]
    [InlineData(true, "at our priority in the container")]
    public async Task One_that_fails_leaves_the_first_one_alone_as_well(bool inside, string obstacle)
    {
        Namespace container = Guest();
        if (inside)
        {
            Obstruct(container, "lo", "eth0");
        }
        else
        {
            Obstruct(_bed.Host, "eth0", "lo");
        }

        KernelState before = Bed.Settled(container);
        KernelState host = Bed.Settled(_bed.Host);
        string[] sysctls = Sysctls(container);
        using EchoServer server = EchoServer.Start(_far, Transport.Tcp, BehindV6, 7007);
        using (Conversation conversation = await Conversation.StartAsync(container, server.EndPoint))
        {
            PluginResult failed = _bed.Plugin.Add(container, "c1", Second);
            Assert.True(failed.ErrorCode == 107, $"{obstacle}: {failed}");
            conversation.RequireProgress();
        }

        Bed.Unchanged(before, container);
        Bed.Unchanged(host, _bed.Host);
        Assert.Equal(sysctls, Sysctls(container));
        Assert.Empty(_bed.Records);
        await AssertFirstWorksAsync(container, hasDefaultRoute: true);
    }

    [Fact]
    public void The_first_one_s_name_is_refused_and_stays()
    {
        Namespace container = Guest();
        KernelState before = Bed.Settled(container);
        string[] sysctls = Sysctls(container);
        Bed.Fails(_bed.Plugin.Add(container, "c1"), 102, "eth0");
        Bed.Unchanged(before, container);
        Assert.Equal(sysctls, Sysctls(container));
        _bed.AssertClean();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_namespace_without_other_interfaces_that_lives_on_has_all_its_sysctls_back(bool fails)
    {
        Namespace container = _bed.Container();
        container.Sysctls(
            ("net/ipv4/ip_local_port_range", "40000 50000"),
            ("net/ipv6/conf/all/accept_ra", "2"),
            ("net/ipv6/conf/default/accept_ra", "2"),
            ("net/ipv6/conf/lo/accept_ra", "2"));
        if (fails)
        {
            Obstruct(_bed.Host, "lo", "eth0");
        }

        KernelState before = Bed.Settled(container);
        string[] sysctls = Sysctls(container);
        PluginResult added = _bed.Plugin.Add(container, "c1");
        Assert.Equal(fails ? 107 : null, added.ErrorCode);
        if (!fails)
        {
            Assert.NotEqual(sysctls, Sysctls(container));
            _bed.Plugin.Del(container, "c1").Require();
        }

        Assert.Equal(sysctls, Sysctls(container));
        Bed.Unchanged(before, container);
    }

    /// <summary>A namespace with an own eth0, both families, that leads to a network elsewhere.</summary>
    private Namespace Guest(bool hasDefaultRoute = true)
    {
        Namespace container = _bed.Container();
        (string, string)[] settings = [("net/ipv6/conf/all/accept_dad", "0"), ("net/ipv6/conf/default/accept_dad", "0")];
        container.Sysctls([.. settings, ("net/ipv4/ip_local_port_range", "40000 50000")]);
        _far.Sysctls([.. settings, ("net/ipv4/ip_forward", "1"), ("net/ipv6/conf/all/forwarding", "1")]);
        container.IpBatch(
            "link set lo up",
            $"link add eth0 mtu 1450 type veth peer name far0 netns {_far.Name}",
            "address add 172.30.0.2/24 dev eth0",
            "address add fd00:30::2/64 dev eth0",
            "link set eth0 up");
        _far.IpBatch(
            "link set lo up",
            $"address add {Behind}/32 dev lo",
            $"address add {BehindV6}/128 dev lo",
            "address add 172.30.0.1/24 dev far0",
            "address add fd00:30::1/64 dev far0",
            "link set far0 mtu 1450",
            "link set far0 up");
        container.Ip("route add default via fd00:30::1 dev eth0");
        if (hasDefaultRoute)
        {
            container.Ip("route add default via 172.30.0.1 dev eth0");
        }

        return container;
    }

    /// <summary>Another protocol at the priority that the plugin's filters have.</summary>
    private static void Obstruct(Namespace place, string device, string target) => place.TcBatch(
        $"qdisc add dev {device} clsact",
        $"filter add dev {device} ingress protocol ipv6 prio 28782 u32 match u32 0 0 action mirred egress mirror dev {target}");

    private static string[] Routes(PluginResult added) =>
        added.Member("routes") is { } routes ? [.. routes.EnumerateArray().Select(route => route.GetProperty("dst").GetString()!)] : [];

    /// <summary>All but the second interface, and what lo gets for its sake.</summary>
    private static void AssertFirstIsTheSame(KernelState before, string[] sysctls, Namespace container, bool hasDefaultRoute)
    {
        string[] changes = [.. before.Diff(Bed.Settled(container)).Split('\n').Where(line => !IsOfSecond(line) && !IsOfLoopback(line))];
        bool isRoute = changes.All(line => line.Contains("dst=default", StringComparison.Ordinal));
        Assert.True(changes.Length == 0 || (!hasDefaultRoute && isRoute), string.Join('\n', changes));
        string[] after = [.. Sysctls(container).Where(line => !line.Contains($"/{Second}/", StringComparison.Ordinal))];
        Assert.All(
            sysctls.Except(after).Concat(after.Except(sysctls)),
            line => Assert.Matches("^net/(ipv4/(ip_local_port_range|conf/lo/(accept_local|route_localnet))|ipv6/conf/lo/mtu) ", line));
    }

    private static bool IsOfSecond(string line) => line.Contains(Second, StringComparison.Ordinal);

    private static bool IsOfLoopback(string line) =>
        line[2..].StartsWith("link lo ", StringComparison.Ordinal)
        || line[2..].StartsWith("filter dev lo ", StringComparison.Ordinal)
        || (line[2..].StartsWith("qdisc clsact", StringComparison.Ordinal) && line.Contains(" dev lo ", StringComparison.Ordinal))
        || line[2..].StartsWith("sysctl net/ipv4/conf/lo/accept_local ", StringComparison.Ordinal)
        || line[2..].StartsWith("sysctl net/ipv4/conf/lo/route_localnet ", StringComparison.Ordinal)
        || line[2..].StartsWith("sysctl net/ipv4/ip_local_port_range ", StringComparison.Ordinal);

    private void AssertPortsOfSlice(Namespace container)
    {
        (int begin, int end) = _bed.Slice("c1");
        foreach (Transport transport in (Transport[])[Transport.Tcp, Transport.Udp])
        {
            using EchoServer any = EchoServer.Start(container, transport, IPAddress.Any, 0);
            Assert.InRange(any.EndPoint.Port, begin, end);
        }
    }

    private async Task AssertFirstWorksAsync(Namespace container, bool hasDefaultRoute)
    {
        IPAddress[] near = [IPAddress.Parse("172.30.0.1"), IPAddress.Parse("fd00:30::1"), BehindV6];
        foreach (IPAddress address in hasDefaultRoute ? [.. near, Behind] : near)
        {
            using EchoServer server = EchoServer.Start(_far, Transport.Tcp, address, 7008);
            ProbeResult result = await Probe.RunAsync(container, Transport.Tcp, server.EndPoint, new ProbeOptions { StreamBytes = 100_000 });
            Assert.True(result.Ok, $"to {address}: {result}");
        }

        await AssertReachesAsync(_far, container, IPAddress.Parse("172.30.0.2"), 8080);
        await AssertReachesAsync(_far, container, IPAddress.Parse("fd00:30::2"), 8080);
    }

    private static async Task AssertReachesAsync(Namespace from, Namespace container, IPAddress address, int port)
    {
        IPAddress any = address.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any;
        using EchoServer server = EchoServer.Start(container, Transport.Tcp, any, port);
        ProbeResult result = await Probe.RunAsync(from, Transport.Tcp, new IPEndPoint(address, port));
        Assert.True(result.Ok, $"{from} to {address}:{port}: {result}");
    }

    /// <summary>Every setting of the namespace's IP that can be read.</summary>
    private static string[] Sysctls(Namespace place) => place.Run(() =>
    {
        List<string> lines = [];
        foreach (string file in ((string[])["net/ipv4", "net/ipv6"])
                 .SelectMany(part => Directory.EnumerateFiles($"/proc/sys/{part}", "*", SearchOption.AllDirectories)).Order(StringComparer.Ordinal))
        {
            try
            {
                lines.Add($"{file["/proc/sys/".Length..]} {File.ReadAllText(file).Trim()}");
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Some are for writing only, or have no value yet.
            }
        }

        return lines.ToArray();
    });

    /// <summary>A connection over which something goes to and fro all the time.</summary>
    private sealed class Conversation : IDisposable
    {
        private readonly Socket _socket;
        private readonly CancellationTokenSource _end = new();
        private readonly Task _talk;
        private int _exchanges;

        private Conversation(Socket socket)
        {
            _socket = socket;
            _talk = Task.Run(TalkAsync);
        }

        public static async Task<Conversation> StartAsync(Namespace from, IPEndPoint to)
        {
            Socket socket = from.Run(() => new Socket(to.AddressFamily, SocketType.Stream, ProtocolType.Tcp));
            await socket.ConnectAsync(to);
            Conversation conversation = new(socket);
            conversation.RequireProgress();
            return conversation;
        }

        /// <summary>What is sent from now on still comes back.</summary>
        public void RequireProgress()
        {
            int before = Volatile.Read(ref _exchanges);
            Wait.Until(() => Volatile.Read(ref _exchanges) > before + 2 || _talk.IsCompleted, "the connection to go on");
            Assert.False(_talk.IsCompleted, "the connection has ended");
        }

        public void Dispose()
        {
            _end.Cancel();
            _talk.Wait();
            _socket.Dispose();
            _end.Dispose();
        }

        private async Task TalkAsync()
        {
            byte[] buffer = new byte[256];
            try
            {
                while (!_end.IsCancellationRequested)
                {
                    await _socket.SendAsync(new byte[] { 1 }, _end.Token);
                    if (await _socket.ReceiveAsync(buffer, _end.Token) == 0)
                    {
                        return;
                    }

                    Interlocked.Increment(ref _exchanges);
                }
            }
            catch (Exception error) when (error is OperationCanceledException or SocketException)
            {
                // The test looks at whether it has ended.
            }
        }
    }
}
