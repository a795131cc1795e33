using CniIsolator.Exporter.Namespaces;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Ipam;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.SocketDiagnostics;

namespace CniIsolator.Exporter.Sockets;

/// <summary>
/// Looks at the sockets of one container after the other, in room that all of them share.
/// </summary>
internal sealed class SocketCollector
{
    private readonly byte[] _text = new byte[4096];
    private readonly RoundTripList _roundTrips = new();
    private readonly PortMarks _listening = new();
    private readonly PortMarks _receiving = new();
    private readonly PortMarks _used = new();
    private readonly PortMarks _found = new();
    private readonly PortMarks _foundReceiving = new();
    private readonly Action<TcpSocket> _visitListener;
    private readonly Action<TcpSocket> _visitConnection;
    private readonly Action<UdpSocket> _visitUdp;
    private readonly Action _restart;
    private readonly Action _restartConnections;
    private int _listeners;

    public SocketCollector()
    {
        _visitListener = VisitListener;
        _visitConnection = VisitConnection;
        _visitUdp = VisitUdp;
        _restart = Restart;
        _restartConnections = RestartConnections;
    }

    /// <summary>What a window must have.</summary>
    public static NamespaceHandleParts Parts(SocketDetail detail) => detail switch
    {
        SocketDetail.None => NamespaceHandleParts.None,
        SocketDetail.Summary => NamespaceHandleParts.SocketCounts | NamespaceHandleParts.Protocols,
        _ => NamespaceHandleParts.SocketCounts | NamespaceHandleParts.SocketCounts6 | NamespaceHandleParts.Protocols | NamespaceHandleParts.Sockets,
    };

    /// <summary>The sockets of a container; those parts of it that the window has what is needed for.</summary>
    /// <param name="window">Its window.</param>
    /// <param name="attachment">Its record.</param>
    /// <param name="retransmitted">Segments that it sent again, which the file of protocols has.</param>
    /// <exception cref="IOException">The window cannot be looked through.</exception>
    public SocketSample Collect(NamespaceHandle window, Attachment attachment, long? retransmitted)
    {
        // As a Mesos agent does, of IPv4 alone.
        var counts = window.SocketCounts is { } file ? SocketCounts.Parse(_text.AsSpan(0, file.Read(_text))) : default;
        var sample = new SocketSample
        {
            ActiveConnections = counts.Tcp,
            TimeWaitConnections = counts.TimeWait,
            RetransmittedSegments = retransmitted,
        };
        if (window.Sockets is null)
        {
            return sample;
        }

        var others = window.SocketCounts6 is { } file6 ? SocketCounts.Parse(_text.AsSpan(0, file6.Read(_text)), "6"u8) : new SocketCounts(0, null, 0);
        return LookAtEach(window, counts, others) ? Judge(sample, attachment) : sample;
    }

    /// <summary>Whether the kernel told of all sockets.</summary>
    private bool LookAtEach(NamespaceHandle window, SocketCounts counts, SocketCounts others)
    {
        var connection = window.Sockets!;
        _listening.Clear();
        _receiving.Clear();
        _used.Clear();
        _roundTrips.Clear();
        Restart();

        // The table of listeners is the host's, too: a container without any TCP socket, listeners among them, is spared the walk.
        if (counts.Tcp + others.Tcp != 0)
        {
            if (!TcpSockets.VisitListeners(connection, _visitListener, _restart))
            {
                return false;
            }

            _listening.Add(_found);
            _used.Add(_found);
        }

        // The walk through the host's connections costs more than all else here: not for a container that has none.
        if (counts.TimeWait != 0 || !(counts.Tcp + others.Tcp <= _listeners))
        {
            if (!TcpSockets.VisitConnections(connection, _visitConnection, _restartConnections))
            {
                return false;
            }

            _used.Add(_found);
        }

        return LookAtUdp(window, AddressFamily.InterNetwork, counts) && LookAtUdp(window, AddressFamily.InterNetworkV6, others);
    }

    private bool LookAtUdp(NamespaceHandle window, AddressFamily family, SocketCounts counts)
    {
        if (counts.Udp == 0)
        {
            return true;
        }

        if (!UdpSockets.Visit(window.Sockets!, family, _visitUdp, _restart))
        {
            return false;
        }

        _used.Add(_found);
        _receiving.Add(_foundReceiving);
        return true;
    }

    private SocketSample Judge(SocketSample sample, Attachment attachment)
    {
        var tcp = Unowned(_listening, attachment, TransportProtocol.Tcp, []);
        var udp = Unowned(_receiving, attachment, TransportProtocol.Udp, []);
        var ports = tcp + udp == 0 ? [] : new BoundPort[tcp + udp];
        Unowned(_listening, attachment, TransportProtocol.Tcp, ports.AsSpan(0, tcp));
        Unowned(_receiving, attachment, TransportProtocol.Udp, ports.AsSpan(tcp));
        return sample with
        {
            EphemeralPortsInUse = _used.CountWithin(attachment.Ports.Slice),
            UnownedPorts = ports,
            RoundTrips = _roundTrips.Percentiles(),
        };
    }

    /// <summary>Counts the ports that are not the container's, and tells as many as there is room for.</summary>
    private static int Unowned(PortMarks marks, Attachment attachment, TransportProtocol protocol, Span<BoundPort> room)
    {
        var owned = attachment.OwnedClaims;
        var count = 0;
        for (var port = marks.Next(0); port <= ushort.MaxValue; port = marks.Next(port + 1))
        {
            if (!attachment.Ports.Slice.Contains(port) && !IsOwned(owned, protocol, port))
            {
                if (count < room.Length)
                {
                    room[count] = new BoundPort((byte)protocol, (ushort)port);
                }

                count++;
            }
        }

        return count;
    }

    private static bool IsOwned(IReadOnlyList<PortClaim> owned, TransportProtocol protocol, int port)
    {
        for (var i = 0; i < owned.Count; i++)
        {
            if (owned[i].Protocol == protocol && owned[i].Range.Contains(port))
            {
                return true;
            }
        }

        return false;
    }

    private void Restart()
    {
        _found.Clear();
        _foundReceiving.Clear();
        _listeners = 0;
    }

    private void RestartConnections()
    {
        Restart();
        _roundTrips.Clear();
    }

    private void VisitListener(TcpSocket socket)
    {
        _listeners++;
        _found.Add(socket.LocalPort);
    }

    private void VisitConnection(TcpSocket socket)
    {
        _roundTrips.Add(socket.RoundTripMicroseconds);
        _found.Add(socket.LocalPort);
    }

    private void VisitUdp(UdpSocket socket)
    {
        _found.Add(socket.LocalPort);
        if (!socket.IsConnected)
        {
            _foundReceiving.Add(socket.LocalPort);
        }
    }
}
