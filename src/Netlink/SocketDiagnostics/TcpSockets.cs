using System.Buffers.Binary;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.SocketDiagnostics;

/// <summary>A TCP socket and how its connection does.</summary>
/// <param name="State">Its state; a connection whose handshake has not ended is a socket of its own here.</param>
/// <param name="LocalPort">Port on this side, 0 for a socket that has none.</param>
/// <param name="RemotePort">Port on the other side, 0 where there is none.</param>
/// <param name="RoundTripMicroseconds">
/// Smoothed round-trip time in us; 0 where nothing was measured, as for listeners and for connections that only wait for their end (TIME_WAIT).
/// </param>
/// <param name="RetransmittedSegments">
/// Segments sent again since the connection began. It leaves with the connection: the sum over a namespace's sockets may fall.
/// </param>
public readonly record struct TcpSocket(TcpState State, ushort LocalPort, ushort RemotePort, uint RoundTripMicroseconds, uint RetransmittedSegments);

/// <summary>TCP sockets of a network namespace, by sock_diag.</summary>
public static class TcpSockets
{
    private const byte Tcp = 6; // IPPROTO_TCP

    // A bit for each state up to TCP_CLOSING: what ss calls all.
    private const uint AllStates = 0xfff;

    /// <summary>
    /// Hands over every TCP socket of an address family, in any state, and keeps none. Returns false where the kernel cannot tell (no
    /// tcp_diag module): then there may be sockets nevertheless.
    /// Equivalent to: <c>ss -4tian</c>, or <c>ss -6tian</c>.
    /// </summary>
    /// <param name="connection">Of <see cref="NetlinkFamily.SocketDiagnostics"/>, opened in the namespace.</param>
    /// <param name="family">
    /// Of the socket, not of what it sends: IPv4 connections of a program that listens on [::] are sockets of the other family.
    /// </param>
    /// <param name="visit">Called with each socket.</param>
    /// <param name="restart">Called before the first socket and whenever the kernel begins again: it must forget what was visited.</param>
    /// <exception cref="NetlinkException">The kernel refused, or was interrupted again and again.</exception>
    public static bool Visit(NetlinkConnection connection, AddressFamily family, Action<TcpSocket> visit, Action restart) =>
        SocketDump.Run(connection, Request(family), received => visit(Parse(received)), restart);

    internal static NetlinkBatch Request(AddressFamily family) => SocketDump.Request(
        new DiagnosticsRequest
        {
            Family = family,
            Protocol = Tcp,
            Extensions = 1 << ((int)DiagnosticsAttribute.Information - 1),
            States = AllStates,
        },
        "list TCP sockets");

    private static TcpSocket Parse(ReceivedMessage received)
    {
        var socket = received.Structure<DiagnosticsMessage>();
        var information = default(TcpInformation);
        foreach (var attribute in received.Attributes<DiagnosticsMessage>())
        {
            if ((DiagnosticsAttribute)attribute.Type == DiagnosticsAttribute.Information)
            {
                information = attribute.As<TcpInformation>();
            }
        }

        return new TcpSocket(
            (TcpState)socket.State,
            BinaryPrimitives.ReverseEndianness(socket.Identity.SourcePort),
            BinaryPrimitives.ReverseEndianness(socket.Identity.DestinationPort),
            information.RoundTrip,
            information.TotalRetransmitted);
    }
}
