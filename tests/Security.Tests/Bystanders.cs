using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>
/// What an attack must not touch: connections that are open before and go on afterwards, and who the host and the neighbour think their
/// neighbours on the link are.
/// </summary>
public sealed class Bystanders : IDisposable
{
    private readonly Site _site;
    private readonly List<EchoServer> _servers = [];
    private readonly List<(string Name, Socket Socket)> _connections = [];
    private readonly string[] _neighbours;

    public Bystanders(Site site)
    {
        _site = site;
        Connect("the host to the outside", site.Host, Serve(site.Out, site.AtOut(8001)));
        Connect("the outside to the host", site.Out, Serve(site.Host, site.AtHost(8002)));
        Connect("the neighbour to the outside", site.C2.Place, Serve(site.Out, site.AtOut(8003)));
        Connect("the outside to the neighbour", site.Out, Serve(site.C2.Place, site.AtHost(site.C2.Port)));
        Connect("the neighbour to the host", site.C2.Place, Serve(site.Host, site.AtHost(8004)));
        Connect("the host to itself", site.Host, Serve(site.Host, new(IPAddress.Loopback, 8005)));
        AssertAlive();
        _neighbours = Neighbours();
        Assert.Contains(_neighbours, one => one.Contains(site.OutAddress.ToString(), StringComparison.Ordinal));
    }

    /// <summary>All connections still carry data, no path has become narrower, and nobody has moved.</summary>
    public void AssertUnharmed()
    {
        Assert.Equal(_neighbours, Neighbours());
        foreach (Namespace place in new[] { _site.Host, _site.C2.Place, _site.Out })
        {
            foreach (IPAddress address in new[] { _site.OutAddress, _site.Topology.RoutedAddress, _site.HostAddress })
            {
                string route = place.Ip($"route get {address}");
                Assert.False(route.Contains("expires", StringComparison.Ordinal), $"{place} has learnt something of the way to {address}: {route}");
            }
        }

        AssertAlive();
    }

    public void AssertAlive()
    {
        foreach ((string name, Socket socket) in _connections)
        {
            byte[] sent = [.. Enumerable.Range(0, 4000).Select(number => (byte)number)];
            byte[] received = new byte[sent.Length];
            socket.Send(sent);
            for (int count = 0; count < received.Length;)
            {
                int more = socket.Receive(received, count, received.Length - count, SocketFlags.None);
                Assert.True(more > 0, $"the connection of {name} has ended");
                count += more;
            }

            Assert.Equal(sent, received);
        }
    }

    public void Dispose()
    {
        foreach ((_, Socket socket) in _connections)
        {
            socket.Dispose();
        }

        foreach (EchoServer server in _servers)
        {
            server.Dispose();
        }
    }

    private IPEndPoint Serve(Namespace place, IPEndPoint at)
    {
        _servers.Add(EchoServer.Start(place, Transport.Tcp, at.Address, at.Port));
        return at;
    }

    private void Connect(string name, Namespace from, IPEndPoint to)
    {
        Socket socket = from.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 20_000 });
        _connections.Add((name, socket));
        socket.Connect(to);

        // The server begins with a line that names its client.
        byte[] one = new byte[1];
        do
        {
            Assert.Equal(1, socket.Receive(one));
        }
        while (one[0] != '\n');
    }

    private string[] Neighbours() =>
    [
        .. from place in new[] { _site.Host, _site.C2.Place, _site.Out }
           from entry in Entries(place)
           orderby entry
           select entry,
    ];

    /// <summary>Without the states, which come and go with traffic, and without those that asked in vain.</summary>
    private static IEnumerable<string> Entries(Namespace place)
    {
        string shown = place.Ip("-4 -j neighbour show");
        using JsonDocument parsed = JsonDocument.Parse(shown.Length == 0 ? "[]" : shown);
        return
        [
            .. parsed.RootElement.EnumerateArray().Where(one => one.TryGetProperty("lladdr", out _))
                .Select(one => $"{place}: {one.GetProperty("dst")} is {one.GetProperty("lladdr")} on {one.GetProperty("dev")}"),
        ];
    }
}
