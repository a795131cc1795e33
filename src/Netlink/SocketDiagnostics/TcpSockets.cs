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
    private const uint Listening = 1 << 10; // 1 << TCP_LISTEN
    private const byte Information = 1 << ((int)DiagnosticsAttribute.Information - 1);
    private const string Operation = "list TCP sockets";

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

    /// <summary>
    /// The same for listeners of both families. They are in a small table of their own, so this costs a fraction of
    /// <see cref="VisitConnections"/>, which it takes together with to see all.
    /// Equivalent to: <c>ss -tn state listening</c>.
    /// </summary>
    /// <inheritdoc cref="Visit"/>
    public static bool VisitListeners(NetlinkConnection connection, Action<TcpSocket> visit, Action restart) =>
        SocketDump.Run(connection, Request(Listening), received => visit(Parse(received)), restart);

    /// <summary>
    /// The same for all sockets but listeners, of both families. The kernel looks through the connections of the whole host, of which it
    /// has one table for all namespaces: with the 262144 places that it has on a host with 24 GiB, about half a millisecond.
    /// Equivalent to: <c>ss -tin exclude listening</c>.
    /// </summary>
    /// <inheritdoc cref="Visit"/>
    public static bool VisitConnections(NetlinkConnection connection, Action<TcpSocket> visit, Action restart) =>
        SocketDump.Run(connection, Request(AllStates & ~Listening), received => visit(Parse(received)), restart);

    /// <summary>The old request knows no families, so that its dump has both, which spares a second walk through the table.</summary>
    internal static NetlinkBatch Request(uint states) => SocketDump.Request(
        new OldDiagnosticsRequest { Family = AddressFamily.InterNetwork, Extensions = Information, States = states }, Operation);

    internal static NetlinkBatch Request(AddressFamily family) => SocketDump.Request(
        new DiagnosticsRequest
        {
            Family = family,
            Protocol = Tcp,
            Extensions = Information,
            States = AllStates,
        },
        Operation);

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
