using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.SocketDiagnostics;

/// <summary>struct inet_diag_sockid of linux/inet_diag.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct SocketIdentity
{
    public ushort SourcePort; // idiag_sport, network order
    public ushort DestinationPort; // idiag_dport, network order
    public fixed byte Source[16]; // idiag_src
    public fixed byte Destination[16]; // idiag_dst
    public uint Interface; // idiag_if
    public uint CookieLow; // idiag_cookie[0]
    public uint CookieHigh; // idiag_cookie[1]
}

/// <summary>struct inet_diag_req_v2 of linux/inet_diag.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct DiagnosticsRequest
{
    public AddressFamily Family; // sdiag_family
    public byte Protocol; // sdiag_protocol
    public byte Extensions; // idiag_ext
    public byte Padding; // pad
    public uint States; // idiag_states: a bit for each TCP state
    public SocketIdentity Identity; // id
}

/// <summary>struct inet_diag_msg of linux/inet_diag.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct DiagnosticsMessage
{
    public AddressFamily Family; // idiag_family
    public byte State; // idiag_state
    public byte Timer; // idiag_timer
    public byte Retransmits; // idiag_retrans
    public SocketIdentity Identity; // id
    public uint Expires; // idiag_expires
    public uint ReceiveQueue; // idiag_rqueue
    public uint SendQueue; // idiag_wqueue
    public uint Owner; // idiag_uid
    public uint Inode; // idiag_inode
}

/// <summary>A socket that waits for packets on a port of the host.</summary>
/// <param name="Protocol">IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP.</param>
/// <param name="Port">Its port.</param>
/// <param name="Address">What it is bound to, for messages.</param>
/// <param name="Owner">User id of its owner.</param>
public sealed record Listener(byte Protocol, ushort Port, string Address, uint Owner);

/// <summary>Listening sockets of a network namespace, by sock_diag.</summary>
public static class Listeners
{
    private const ushort ByFamily = 20; // SOCK_DIAG_BY_FAMILY
    private const byte Tcp = 6; // IPPROTO_TCP
    private const byte Udp = 17; // IPPROTO_UDP
    private const byte Sctp = 132; // IPPROTO_SCTP
    private const uint Listening = 1 << 10; // 1 << TCP_LISTEN
    private const uint Unconnected = 1 << 7; // 1 << TCP_CLOSE, the state of a UDP socket that is only bound

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

    private static void List(NetlinkConnection connection, AddressFamily family, byte protocol, uint states, List<Listener> listeners)
    {
        var request = new NetlinkBatch(256);
        using (var message = request.Message(ByFamily, MessageFlags.Dump, "list listening sockets"))
        {
            message.Structure(new DiagnosticsRequest { Family = family, Protocol = protocol, States = states });
        }

        var before = listeners.Count;
        try
        {
            connection.Dump(
                request,
                received =>
                {
                    var socket = received.Structure<DiagnosticsMessage>();
                    var port = BinaryPrimitives.ReverseEndianness(socket.Identity.SourcePort);
                    if (port != 0)
                    {
                        listeners.Add(new Listener(protocol, port, Format(socket), socket.Owner));
                    }
                },
                () => listeners.RemoveRange(before, listeners.Count - before));
        }
        catch (NetlinkException e) when (e.Errno is Errno.NoEntry or Errno.NotSupported or Errno.Invalid)
        {
        }
    }

    private static unsafe string Format(DiagnosticsMessage socket)
    {
        var length = socket.Family == AddressFamily.InterNetworkV6 ? 16 : 4;
        return new IPEndPoint(
            new IPAddress(new ReadOnlySpan<byte>(socket.Identity.Source, length)),
            BinaryPrimitives.ReverseEndianness(socket.Identity.SourcePort)).ToString();
    }
}
