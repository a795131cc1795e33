using System.Buffers.Binary;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.SocketDiagnostics;

/// <summary>A UDP socket that has a port.</summary>
/// <param name="LocalPort">Its port, not 0.</param>
/// <param name="IsConnected">Whether it takes datagrams from one peer only.</param>
public readonly record struct UdpSocket(ushort LocalPort, bool IsConnected);

/// <summary>UDP sockets of a network namespace, by sock_diag.</summary>
public static class UdpSockets
{
    private const byte Udp = 17; // IPPROTO_UDP
    private const uint States = (1 << (int)TcpState.Established) | (1 << (int)TcpState.Closed);

    /// <summary>
    /// Hands over every UDP socket of an address family that has a port, and keeps none. Returns false where the kernel cannot tell (no
    /// udp_diag module): then there may be sockets nevertheless.
    /// Equivalent to: <c>ss -4un state established state unconnected</c>, or with <c>-6</c>.
    /// </summary>
    /// <inheritdoc cref="TcpSockets.Visit"/>
    public static bool Visit(NetlinkConnection connection, AddressFamily family, Action<UdpSocket> visit, Action restart) => SocketDump.Run(
        connection,
        Request(family),
        received =>
        {
            var socket = received.Structure<DiagnosticsMessage>();
            if (socket.Identity.SourcePort != 0)
            {
                visit(new UdpSocket(BinaryPrimitives.ReverseEndianness(socket.Identity.SourcePort), (TcpState)socket.State == TcpState.Established));
            }
        },
        restart);

    internal static NetlinkBatch Request(AddressFamily family) => SocketDump.Request(
        new DiagnosticsRequest { Family = family, Protocol = Udp, States = States }, "list UDP sockets");
}
