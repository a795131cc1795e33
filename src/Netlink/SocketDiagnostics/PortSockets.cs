using System.Buffers.Binary;
using System.Net;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.SocketDiagnostics;

/// <summary>A socket that has a port.</summary>
/// <param name="Protocol">IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP.</param>
/// <param name="State">Its state; a UDP socket is established where it takes datagrams from one peer only, else closed.</param>
/// <param name="Port">Its port, not 0.</param>
/// <param name="Address">What it is bound to, for messages.</param>
/// <param name="Owner">User id of its owner.</param>
/// <param name="Inode">By which /proc/PID/fd names it; 0 where no process holds it any more.</param>
public sealed record PortSocket(byte Protocol, TcpState State, ushort Port, string Address, uint Owner, uint Inode);

/// <summary>Sockets with ports, and who has them, by sock_diag.</summary>
public static class PortSockets
{
    private const byte Tcp = 6; // IPPROTO_TCP
    private const byte Udp = 17; // IPPROTO_UDP
    private const byte Sctp = 132; // IPPROTO_SCTP

    // Those that a process holds: not TCP_TIME_WAIT, nor a handshake that has not ended.
    private const uint Held = 0xfff & ~((1u << (int)TcpState.TimeWait) | (1u << (int)TcpState.SynReceived));

    /// <summary>
    /// All of both address families whose port a test lets through, listening or not. Equivalent to: <c>ss -tuSnae</c>.
    /// Protocols without a diagnostics module are passed over: they are not in use.
    /// </summary>
    /// <param name="connection">Of the family of socket diagnostics, opened in the namespace.</param>
    /// <param name="isWanted">Given protocol and port; a host may have very many sockets.</param>
    public static List<PortSocket> List(NetlinkConnection connection, Func<byte, ushort, bool> isWanted)
    {
        var sockets = new List<PortSocket>();
        foreach (var protocol in (byte[])[Tcp, Udp, Sctp])
        {
            foreach (var family in (AddressFamily[])[AddressFamily.InterNetwork, AddressFamily.InterNetworkV6])
            {
                var before = sockets.Count;
                SocketDump.Run(
                    connection,
                    Listeners.Request(family, protocol, Held),
                    received =>
                    {
                        var socket = received.Structure<DiagnosticsMessage>();
                        var port = BinaryPrimitives.ReverseEndianness(socket.Identity.SourcePort);
                        if (port != 0 && isWanted(protocol, port))
                        {
                            sockets.Add(new PortSocket(protocol, (TcpState)socket.State, port, Format(socket), socket.Owner, socket.Inode));
                        }
                    },
                    () => sockets.RemoveRange(before, sockets.Count - before));
            }
        }

        return sockets;
    }

    internal static unsafe string Format(DiagnosticsMessage socket)
    {
        var length = socket.Family == AddressFamily.InterNetworkV6 ? 16 : 4;
        return new IPEndPoint(
            new IPAddress(new ReadOnlySpan<byte>(socket.Identity.Source, length)),
            BinaryPrimitives.ReverseEndianness(socket.Identity.SourcePort)).ToString();
    }
}
