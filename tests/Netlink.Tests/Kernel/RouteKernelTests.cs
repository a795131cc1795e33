using System.Net;
using System.Net.Sockets;
using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.SocketDiagnostics;
using static CniIsolator.Netlink.Tests.Kernel.PrivateNamespace;

namespace CniIsolator.Netlink.Tests.Kernel;

/// <summary>Links, addresses, routes, neighbours and sockets against this machine's kernel.</summary>
public sealed class RouteKernelTests : IDisposable
{
    private static readonly MacAddress Mac = MacAddress.Parse("02:42:0a:4d:00:02");
    private static readonly string Near = $"pmit-{Environment.ProcessId}";
    private readonly PrivateNamespace _host = Create();
    private readonly NetlinkConnection _connection;

    public RouteKernelTests() => _connection = _host.Connect();

    public void Dispose()
    {
        _connection.Dispose();
        _host.Dispose();
    }

    [Fact]
    public void A_namespace_has_an_id_for_another_that_one_of_its_links_leads_to()
    {
        using var pod = Create();
        using var inside = pod.Connect();
        Assert.Null(NamespaceIds.Find(inside, _host.Opened.Descriptor));
        Execute(_connection, b => Links.CreateVeth(b, new VethEnd(Near, 4097), new VethEnd("eth0", 77), pod.Opened.Descriptor, Mac, 1400));
        var far = Assert.IsType<Link>(Links.Find(inside, "eth0"));
        var near = Assert.IsType<Link>(Links.Find(_connection, Near));
        Assert.Equal(far.PeerNamespace, NamespaceIds.Find(inside, _host.Opened.Descriptor));
        Assert.Equal(near.PeerNamespace, NamespaceIds.Find(_connection, pod.Opened.Descriptor));
        Assert.NotNull(far.PeerNamespace);
        Assert.Null(Links.Find(_connection, 1)!.PeerNamespace);
    }

    [Fact]
    public void Veth_into_another_namespace_reads_back_as_requested()
    {
        using var pod = Create();
        using var inside = pod.Connect();
        Execute(_connection, b => Links.CreateVeth(b, new VethEnd(Near, 4097), new VethEnd("eth0", 77), pod.Opened.Descriptor, Mac, 1400));
        Execute(_connection, b => Links.SetUp(b, 4097, "up", alias: new string('a', 255), withoutAutoconfiguration: true));
        Execute(inside, b => Links.SetUp(b, 77, "up", MacAddress.Parse("02:00:00:00:00:01"), 1300));

        var near = Assert.IsType<Link>(Links.Find(_connection, Near));
        Assert.Equal((4097, Near, 1400u, Mac, "veth", 77), (near.Index, near.Name, near.Mtu, near.Mac, near.Kind, near.PeerIndex));
        Assert.Equal(new string('a', 255), near.Alias);
        Assert.True(near is { IsUp: true, HasCarrier: true, IsLoopback: false });
        Assert.Equal(near, Links.Find(_connection, 4097));
        Assert.Contains(near, Links.List(_connection));
        Assert.True(Links.Find(_connection, "lo")?.IsLoopback);
        Assert.Null(Links.Find(_connection, "eth0"));

        var far = Assert.IsType<Link>(Links.Find(inside, "eth0"));
        Assert.Equal((77, 1300u, "02:00:00:00:00:01", 4097), (far.Index, far.Mtu, far.Mac.ToString(), far.PeerIndex));

        Execute(_connection, b => Links.SetUp(b, 4097, "no alias", alias: ""));
        Execute(_connection, b => Links.SetMac(b, 4097, MacAddress.Parse("02:00:00:00:00:02"), "mac"));
        var changed = Links.Find(_connection, 4097);
        Assert.Equal((null, "02:00:00:00:00:02"), (changed?.Alias, changed?.Mac.ToString()));
        Execute(_connection, b => Links.Restore(b, 4097, Mac, 1500, up: false, "restore"));
        changed = Links.Find(_connection, 4097);
        Assert.Equal((false, 1500u, Mac), (changed?.IsUp, changed?.Mtu, changed?.Mac));

        Execute(_connection, b => Links.Delete(b, 4097, "delete"));
        Execute(_connection, b => Links.Delete(b, 4097, "delete again"));
        Assert.Null(Links.Find(inside, "eth0"));
    }

    [Fact]
    public void A_group_goes_at_once_and_takes_nothing_else()
    {
        const uint Group = 0x706d6721;
        using var pod = Create();
        for (var index = 4097; index < 4102; index++)
        {
            var near = new VethEnd($"{Near}{index}", index);
            Execute(_connection, b => Links.CreateVeth(b, near, new VethEnd($"e{index}", index), pod.Opened.Descriptor, Mac, 1500));
        }

        Execute(_connection, b =>
        {
            for (var index = 4097; index < 4101; index++)
            {
                Links.SetGroup(b, index, Group, "mark");
            }

            Links.SetGroup(b, 99, Group, "mark one that is not there");
        });
        Assert.Equal(Group, Links.Find(_connection, 4100)?.Group);
        Assert.Equal(0u, Links.Find(_connection, 4101)?.Group);
        Execute(_connection, b => Links.DeleteGroup(b, Group, "delete"));
        Assert.Equal([1, 4101], Links.List(_connection).Select(l => l.Index).Order());
        Execute(_connection, b => Links.DeleteGroup(b, Group, "delete again"));
        Assert.Throws<ArgumentOutOfRangeException>(() => Execute(_connection, b => Links.DeleteGroup(b, 0, "delete all")));
    }

    [Fact]
    public void Existing_index_and_absent_device_are_reported()
    {
        _host.AddPair(_connection);
        var exists = Assert.Throws<NetlinkException>(() => Execute(_connection, b => Links.CreateVeth(b, new VethEnd("x", 7), new VethEnd("y", 9), _host.Opened.Descriptor, Mac, 1500)));
        Assert.Contains(exists.Errno, new[] { Errno.Exists, Errno.Busy });
        Assert.Equal(Errno.NoSuchDevice, Assert.Throws<NetlinkException>(() => Execute(_connection, b => Links.SetUp(b, 99, "up"))).Errno);
    }

    [Fact]
    public void Addresses_read_back()
    {
        _host.AddPair(_connection);
        Execute(_connection, b => Addresses.Add(b, 7, InternetAddress.Parse("10.77.0.2"), 24));
        Execute(_connection, b => Addresses.Add(b, 7, InternetAddress.Parse("10.77.0.3"), 24));
        Execute(_connection, b => Addresses.Add(b, 8, InternetAddress.Parse("10.78.0.2"), 32));
        Assert.Equal(["10.77.0.2/24", "10.77.0.3/24"], Addresses.List(_connection, 7).Select(a => a.ToString()));
        Assert.Equal([false, true], Addresses.List(_connection, 7).Select(a => a.Secondary));
        Assert.Contains("10.78.0.2/32", Addresses.List(_connection, 0).Select(a => a.ToString()));
    }

    [Fact]
    public void Default_routes_are_listed_by_metric()
    {
        _host.AddPair(_connection);
        Execute(_connection, b => Addresses.Add(b, 7, InternetAddress.Parse("10.77.0.2"), 24));
        Execute(_connection, b => Routes.AddDefault(b, 7, InternetAddress.Parse("192.0.2.1")));
        var byHand = new NetlinkBatch();
        foreach (var metric in new[] { 300u, 100u })
        {
            using var message = byHand.Message((ushort)RouteMessage.NewRoute, MessageFlags.Create, "route with metric");
            message.Structure(new RouteHeader { Family = Route.AddressFamily.InterNetwork, Table = 254, Protocol = 3, Scope = 253, Type = 1 });
            message.Attribute(RouteAttribute.OutputInterface, 8);
            message.Attribute(RouteAttribute.Priority, metric);
        }

        _connection.ExecuteOrThrow(byHand);
        Assert.Equal(
            [new DefaultRoute(7, InternetAddress.Parse("192.0.2.1"), 0), new DefaultRoute(8, null, 100), new DefaultRoute(8, null, 300)],
            Routes.ListDefaults(_connection));
    }

    [Fact]
    public void A_default_route_names_the_source_that_it_prefers()
    {
        _host.AddPair(_connection);
        Execute(_connection, b => Addresses.Add(b, 7, InternetAddress.Parse("10.77.0.2"), 24));
        Execute(_connection, b => Addresses.Add(b, 7, InternetAddress.Parse("10.77.0.3"), 24));
        var byHand = new NetlinkBatch();
        using (var message = byHand.Message((ushort)RouteMessage.NewRoute, MessageFlags.Create, "route with source"))
        {
            message.Structure(new RouteHeader { Family = Route.AddressFamily.InterNetwork, Table = 254, Protocol = 3, Scope = 0, Type = 1 });
            message.Attribute(RouteAttribute.OutputInterface, 7);
            message.Attribute(RouteAttribute.Gateway, InternetAddress.Parse("10.77.0.1").ToBytes());
            message.Attribute(RouteAttribute.PreferredSource, InternetAddress.Parse("10.77.0.3").ToBytes());
        }

        _connection.ExecuteOrThrow(byHand);
        var route = new DefaultRoute(7, InternetAddress.Parse("10.77.0.1"), 0, InternetAddress.Parse("10.77.0.3"));
        Assert.Equal([route], Routes.ListDefaults(_connection));
        Execute(_connection, b => Routes.DeleteDefault(b, route));
        Assert.Empty(Routes.ListDefaults(_connection));
    }

    [Fact]
    public void Neighbour_is_found_after_it_was_added_also_twice()
    {
        _host.AddPair(_connection);
        var address = InternetAddress.Parse("10.77.0.1");
        Assert.Null(Neighbours.Find(_connection, 7, address));
        Execute(_connection, b => Neighbours.AddStale(b, 7, address, MacAddress.Parse("02:00:00:00:00:09")));
        Execute(_connection, b => Neighbours.AddStale(b, 7, address, Mac));
        Assert.Equal(Mac, Neighbours.Find(_connection, 7, address));
    }

    [Fact]
    public void Statistics_name_every_link()
    {
        _host.AddPair(_connection);
        var counters = LinkStatistics.List(_connection);
        Assert.Superset(new HashSet<int> { 1, 7, 8 }, counters.Keys.ToHashSet());
        _host.Opened.Run(() =>
        {
            using var socket = new UdpClient();
            socket.Send(new byte[100], 100, new IPEndPoint(IPAddress.Loopback, 9));
        });
        Assert.True(LinkStatistics.List(_connection)[1].SentBytes >= counters[1].SentBytes + 128);
    }

    [Fact]
    public void Listeners_are_seen_and_connected_sockets_are_not()
    {
        _host.AddPair(_connection);
        using var diagnostics = _host.Connect(NetlinkFamily.SocketDiagnostics);
        _host.Opened.Run(() =>
        {
            using var four = new TcpListener(IPAddress.Loopback, 31001);
            using var six = TcpListener.Create(31002);
            using var udp = new UdpClient(new IPEndPoint(IPAddress.Any, 31003));
            using var connectedUdp = new UdpClient(new IPEndPoint(IPAddress.Loopback, 31004));
            using var connectedTcp = new Socket(System.Net.Sockets.AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            four.Start();
            six.Start();
            connectedUdp.Connect(IPAddress.Loopback, 31003);
            connectedTcp.Bind(new IPEndPoint(IPAddress.Loopback, 31005));
            connectedTcp.Connect(IPAddress.Loopback, 31001);

            Assert.Equal(
                [new Listener(6, 31001, "127.0.0.1:31001", 0), new Listener(6, 31002, "[::]:31002", 0), new Listener(17, 31003, "0.0.0.0:31003", 0)],
                Listeners.List(diagnostics).OrderBy(l => l.Port));
        });
    }
}
