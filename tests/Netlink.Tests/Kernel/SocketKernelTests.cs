using System.Net;
using System.Net.Sockets;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.SocketDiagnostics;
using static CniIsolator.Netlink.Tests.Kernel.PrivateNamespace;
using AddressFamily = CniIsolator.Netlink.Route.AddressFamily;

namespace CniIsolator.Netlink.Tests.Kernel;

/// <summary>TCP sockets and bound ports against this machine's kernel.</summary>
public sealed class SocketKernelTests : IDisposable
{
    private readonly PrivateNamespace _host = Create();
    private readonly NetlinkConnection _connection;
    private readonly NetlinkConnection _diagnostics;

    public SocketKernelTests()
    {
        _connection = _host.Connect();
        _diagnostics = _host.Connect(NetlinkFamily.SocketDiagnostics);
        _host.AddPair(_connection);
    }

    public void Dispose()
    {
        _diagnostics.Dispose();
        _connection.Dispose();
        _host.Dispose();
    }

    [Fact]
    public void Connection_is_seen_from_both_ends_through_its_life()
    {
        Assert.Empty(Sockets());
        using var listener = _host.Opened.Run(() => new TcpListener(IPAddress.Loopback, 31001));
        listener.Start();
        Assert.Equal([new TcpSocket(TcpState.Listen, 31001, 0, 0, 0)], Sockets());

        using var client = Connect(31005, new IPEndPoint(IPAddress.Loopback, 31001));
        using var server = listener.AcceptSocket();
        client.Send(new byte[1000]);
        WaitFor(() => Find(31005) is { State: TcpState.Established, RoundTripMicroseconds: > 0 });
        Assert.Equal(new TcpSocket(TcpState.Established, 31005, 31001, 0, 0), Find(31005)!.Value with { RoundTripMicroseconds = 0 });
        Assert.Contains(Sockets(), s => s is { State: TcpState.Established, LocalPort: 31001, RemotePort: 31005, RoundTripMicroseconds: > 0 });

        server.Receive(new byte[1000]);
        client.Dispose();
        WaitFor(() => Find(31005)?.State == TcpState.FinWait2);
        server.Dispose();
        WaitFor(() => Find(31005)?.State == TcpState.TimeWait);
        Assert.Equal(new TcpSocket(TcpState.TimeWait, 31005, 31001, 0, 0), Find(31005));
        Assert.Equal(2, Sockets().Count);
    }

    [Fact]
    public void Segments_that_are_sent_again_are_counted()
    {
        // Nobody has that address: what asks for a connection is sent into nothing.
        Execute(_connection, b => Addresses.Add(b, 7, InternetAddress.Parse("10.77.0.2"), 24));
        Execute(_connection, b => Neighbours.AddStale(b, 7, InternetAddress.Parse("10.77.0.1"), MacAddress.Parse("02:00:00:00:00:09")));
        using var socket = _host.Opened.Run(() => new Socket(System.Net.Sockets.AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { Blocking = false });
        var e = Assert.Throws<SocketException>(() => socket.Connect(new IPEndPoint(IPAddress.Parse("10.77.0.1"), 31001)));
        Assert.Equal(SocketError.WouldBlock, e.SocketErrorCode);

        WaitFor(() => Assert.Single(Sockets()).RetransmittedSegments > 0);
        var found = Assert.Single(Sockets());
        Assert.Equal((TcpState.SynSent, (ushort)31001, 0u), (found.State, found.RemotePort, found.RoundTripMicroseconds));
    }

    [Fact]
    public void Connection_over_ipv4_of_a_listener_for_both_is_a_socket_of_the_other_family()
    {
        using var listener = _host.Opened.Run(() => TcpListener.Create(31002));
        listener.Start();
        using var client = Connect(31005, new IPEndPoint(IPAddress.Loopback, 31002));
        using var server = listener.AcceptSocket();

        Assert.Equal([31005], Sockets().Select(s => s.LocalPort));
        var others = Sockets(AddressFamily.InterNetworkV6);
        Assert.Equal([TcpState.Established, TcpState.Listen], others.Select(s => s.State).Order());
        Assert.All(others, s => Assert.Equal(31002, s.LocalPort));
    }

    [Fact]
    public void Listeners_and_connections_of_both_families_are_told_apart()
    {
        using var four = _host.Opened.Run(() => new TcpListener(IPAddress.Loopback, 31001));
        using var both = _host.Opened.Run(() => TcpListener.Create(31002));
        four.Start();
        both.Start();
        using var first = Connect(31005, new IPEndPoint(IPAddress.Loopback, 31001));
        using var second = Connect(31006, new IPEndPoint(IPAddress.Loopback, 31002));
        using var accepted = four.AcceptSocket();
        using var acceptedToo = both.AcceptSocket();

        var listeners = new List<TcpSocket>();
        var connections = new List<TcpSocket>();
        Assert.True(TcpSockets.VisitListeners(_diagnostics, listeners.Add, listeners.Clear));
        Assert.True(TcpSockets.VisitConnections(_diagnostics, connections.Add, connections.Clear));
        Assert.Equal([31001, 31002], listeners.Select(s => (int)s.LocalPort).Order());
        Assert.Equal([31001, 31002, 31005, 31006], connections.Select(s => (int)s.LocalPort).Order());
        Assert.All(connections, s => Assert.Equal((TcpState.Established, true), (s.State, s.RoundTripMicroseconds > 0)));
    }

    [Fact]
    public void Udp_sockets_are_bound_or_connected() => _host.Opened.Run(() =>
    {
        using var bound = new UdpClient(new IPEndPoint(IPAddress.Any, 31003));
        using var connected = new UdpClient(new IPEndPoint(IPAddress.Loopback, 31004));
        using var six = new UdpClient(new IPEndPoint(IPAddress.IPv6Any, 31005));
        connected.Connect(IPAddress.Loopback, 31003);
        var found = new List<UdpSocket>();
        Assert.True(UdpSockets.Visit(_diagnostics, AddressFamily.InterNetwork, found.Add, found.Clear));
        Assert.Equal([new UdpSocket(31003, false), new UdpSocket(31004, true)], found.OrderBy(s => s.LocalPort));
        Assert.True(UdpSockets.Visit(_diagnostics, AddressFamily.InterNetworkV6, found.Add, found.Clear));
        Assert.Equal([new UdpSocket(31005, false)], found);
    });

    [Fact]
    public void A_thousand_connections_are_handed_over_once_each()
    {
        const int Count = 1000;
        using var listener = _host.Opened.Run(() => new TcpListener(IPAddress.Loopback, 31001));
        listener.Start(Count);
        var clients = new List<Socket>();
        try
        {
            for (var i = 0; i < Count; i++)
            {
                clients.Add(Connect(0, new IPEndPoint(IPAddress.Loopback, 31001)));
            }

            var ports = clients.Select(c => (ushort)((IPEndPoint)c.LocalEndPoint!).Port).Order();
            Assert.Equal(ports, Sockets().Where(s => s.RemotePort == 31001).Select(s => s.LocalPort).Order());
        }
        finally
        {
            clients.ForEach(c => c.Dispose());
        }
    }

    [Fact]
    public void Bound_ports_are_those_of_listeners_and_of_all_udp_sockets() => _host.Opened.Run(() =>
    {
        using var four = new TcpListener(IPAddress.Loopback, 31001);
        using var six = TcpListener.Create(31002);
        using var udp = new UdpClient(new IPEndPoint(IPAddress.Any, 31003));
        using var udpToo = new UdpClient(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 31004));
        using var connected = new UdpClient(new IPEndPoint(IPAddress.Loopback, 31004));
        using var chosen = new UdpClient(System.Net.Sockets.AddressFamily.InterNetworkV6);
        four.Start();
        six.Start();
        connected.Connect(IPAddress.Loopback, 31003);
        chosen.Connect(IPAddress.IPv6Loopback, 31003);
        using var client = Connect(31005, new IPEndPoint(IPAddress.Loopback, 31001));

        var port = (ushort)((IPEndPoint)chosen.Client.LocalEndPoint!).Port;
        Assert.Equal(
            new HashSet<BoundPort> { new(6, 31001), new(6, 31002), new(17, 31003), new(17, 31004), new(17, port) }, Listeners.ListPorts(_diagnostics));
    });

    private Socket Connect(int from, IPEndPoint to) => _host.Opened.Run(() =>
    {
        var socket = new Socket(System.Net.Sockets.AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, from));
            socket.Connect(to);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    });

    private List<TcpSocket> Sockets(AddressFamily family = AddressFamily.InterNetwork)
    {
        var sockets = new List<TcpSocket>();
        Assert.True(TcpSockets.Visit(_diagnostics, family, sockets.Add, sockets.Clear));
        return sockets;
    }

    private TcpSocket? Find(ushort localPort) => Sockets().Cast<TcpSocket?>().SingleOrDefault(s => s!.Value.LocalPort == localPort);

    private static void WaitFor(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(20)));
}
