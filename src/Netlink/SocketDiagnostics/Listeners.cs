using System.Buffers.Binary;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.SocketDiagnostics;

/// <summary>A socket that waits for packets on a port of the host.</summary>
/// <param name="Protocol">IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP.</param>
/// <param name="Port">Its port.</param>
/// <param name="Address">What it is bound to, for messages.</param>
/// <param name="Owner">User id of its owner.</param>
public sealed record Listener(byte Protocol, ushort Port, string Address, uint Owner);

/// <summary>A port that a socket is bound to.</summary>
/// <param name="Protocol">IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP.</param>
/// <param name="Port">Not 0.</param>
public readonly record struct BoundPort(byte Protocol, ushort Port);

/// <summary>Listening sockets of a network namespace, by sock_diag.</summary>
public static class Listeners
{
    private const byte Tcp = 6; // IPPROTO_TCP
    private const byte Udp = 17; // IPPROTO_UDP
    private const byte Sctp = 132; // IPPROTO_SCTP
    private const uint Listening = 1 << 10; // 1 << TCP_LISTEN
    private const uint Unconnected = 1 << 7; // 1 << TCP_CLOSE, the state of a UDP socket that is only bound
    private const uint Connected = 1 << 1; // 1 << TCP_ESTABLISHED, of a UDP socket, too

    /// <summary>
    /// TCP and SCTP listeners and bound UDP sockets of both address families: an IPv6 socket takes IPv4 packets too
    /// unless it says otherwise. Equivalent to: <c>ss -ltuSn</c>.
    /// Protocols without a diagnostics module are passed over: they are not in use.
    /// </summary>
    public static List<Listener> List(NetlinkConnection connection)
    {
        var listeners = new List<Listener>();
        foreach (var (protocol, states) in ((byte, uint)[])[(Tcp, Listening), (Udp, Unconnected), (Sctp, Listening)])
        {
            foreach (var family in (AddressFamily[])[AddressFamily.InterNetwork, AddressFamily.InterNetworkV6])
            {
                List(connection, family, protocol, states, listeners);
            }
        }

        return listeners;
    }

    /// <summary>
    /// The ports that TCP and SCTP listeners and UDP sockets are bound to, connected ones included, of both address families; a port
    /// that the kernel chose for a UDP socket is among them. However many sockets there are, there are no more than three times 65535.
    /// Equivalent to: <c>ss -ltSn</c> and <c>ss -uan</c>.
    /// Protocols without a diagnostics module are passed over: they are not in use.
    /// </summary>
    public static HashSet<BoundPort> ListPorts(NetlinkConnection connection)
    {
        var ports = new HashSet<BoundPort>();
        foreach (var (protocol, states) in ((byte, uint)[])[(Tcp, Listening), (Udp, Unconnected | Connected), (Sctp, Listening)])
        {
            foreach (var family in (AddressFamily[])[AddressFamily.InterNetwork, AddressFamily.InterNetworkV6])
            {
                var found = new HashSet<BoundPort>();
                SocketDump.Run(
                    connection,
                    Request(family, protocol, states),
                    received =>
                    {
                        var port = BinaryPrimitives.ReverseEndianness(received.Structure<DiagnosticsMessage>().Identity.SourcePort);
                        if (port != 0)
                        {
                            found.Add(new BoundPort(protocol, port));
                        }
                    },
                    found.Clear);
                ports.UnionWith(found);
            }
        }

        return ports;
    }

    internal static NetlinkBatch Request(AddressFamily family, byte protocol, uint states) => SocketDump.Request(
        new DiagnosticsRequest { Family = family, Protocol = protocol, States = states }, "list listening sockets");

    private static void List(NetlinkConnection connection, AddressFamily family, byte protocol, uint states, List<Listener> listeners)
    {
        var before = listeners.Count;
        SocketDump.Run(
            connection,
            Request(family, protocol, states),
            received =>
            {
                var socket = received.Structure<DiagnosticsMessage>();
                var port = BinaryPrimitives.ReverseEndianness(socket.Identity.SourcePort);
                if (port != 0)
                {
                    listeners.Add(new Listener(protocol, port, PortSockets.Format(socket), socket.Owner));
                }
            },
            () => listeners.RemoveRange(before, listeners.Count - before));
    }
}
