using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.SocketDiagnostics;
using CniIsolator.Netlink.Tc;
using static CniIsolator.Netlink.Tests.Golden.GoldenMessage;

namespace CniIsolator.Netlink.Tests.Golden;

/// <summary>Requests for counters and sockets as tc and ss 6.1 write them; lo has ifindex 1.</summary>
public class DumpGoldenTests
{
    private const byte Tcp = 6; // IPPROTO_TCP
    private const byte Udp = 17; // IPPROTO_UDP

    // tc -s qdisc show
    [Fact]
    public void Qdiscs_of_all_devices() => Check(
        TcObject.Request(RouteMessage.GetQdisc, 0, "list"),
        captured: """
            24000000 2600 0103 c15a016b 00000000 // RTM_GETQDISC REQUEST|DUMP
            00 00 0000 00000000 00000000 00000000 00000000 // tcmsg
            """,
        own: """
            24000000 2600 0103 01000000 00000000 // RTM_GETQDISC REQUEST|DUMP
            00 00 0000 00000000 00000000 00000000 00000000 // tcmsg
            """);

    // tc -s class show dev lo
    [Fact]
    public void Classes_of_a_device() => Check(
        TcObject.Request(RouteMessage.GetClass, 1, "list"),
        captured: """
            24000000 2a00 0103 c15a016b 00000000 // RTM_GETTCLASS REQUEST|DUMP
            00 00 0000 01000000 00000000 00000000 00000000 // tcmsg
            """,
        own: """
            24000000 2a00 0103 01000000 00000000 // RTM_GETTCLASS REQUEST|DUMP
            00 00 0000 01000000 00000000 00000000 00000000 // tcmsg
            """);

    // tc -s filter show dev lo ingress protocol ip prio 10
    [Fact]
    public void Filters_of_a_priority() => Check(
        U32Filters.Request(new FilterAttachment(1, TcHandle.Ingress, 10, EthernetProtocol.InternetProtocol)),
        captured: """
            24000000 2e00 0103 c15a016b 00000000 // RTM_GETTFILTER REQUEST|DUMP
            00 00 0000 01000000 00000000 f2ffffff 08000a00 // tcmsg
            """,
        own: """
            24000000 2e00 0103 01000000 00000000 // RTM_GETTFILTER REQUEST|DUMP
            00 00 0000 01000000 00000000 f2ffffff 08000a00 // tcmsg
            """);

    // ip netns list
    [Fact]
    public void Id_of_a_namespace() => Check(
        NamespaceIds.Request(6),
        captured: """
            1c000000 5a00 0100 4b8a0a6b 00000000 // RTM_GETNSID REQUEST
            00 000000 // rtgenmsg, padding
            0800 0300 06000000 // NETNSA_FD
            """,
        own: """
            1c000000 5a00 0500 01000000 00000000 // RTM_GETNSID REQUEST|ACK
            00 000000 // rtgenmsg, padding
            0800 0300 06000000 // NETNSA_FD
            """);

    // ss -4tian
    [Fact]
    public void Tcp_sockets_of_all_states_with_their_information() => CheckSockets(
        TcpSockets.Request(AddressFamily.InterNetwork),
        captured: """
            48000000 1400 0103 40e20100 00000000 // SOCK_DIAG_BY_FAMILY REQUEST|DUMP
            02 06 0e 00 ff0f0000 // AF_INET, IPPROTO_TCP, idiag_ext, pad, idiag_states
            0000 0000 // idiag_sport, idiag_dport
            00000000 00000000 00000000 00000000 // idiag_src
            00000000 00000000 00000000 00000000 // idiag_dst
            00000000 00000000 00000000 // idiag_if, idiag_cookie
            """,
        own: """
            48000000 1400 0103 01000000 00000000 // SOCK_DIAG_BY_FAMILY REQUEST|DUMP
            02 06 02 00 ff0f0000 // AF_INET, IPPROTO_TCP, idiag_ext, pad, idiag_states
            0000 0000 // idiag_sport, idiag_dport
            00000000 00000000 00000000 00000000 // idiag_src
            00000000 00000000 00000000 00000000 // idiag_dst
            00000000 00000000 00000000 // idiag_if, idiag_cookie
            """,
        new Difference("02060e00", "02060200", "ss asks for INET_DIAG_VEGASINFO and INET_DIAG_CONG too, which nobody reads here."));

    // ss -6tian
    [Fact]
    public void Tcp_sockets_of_the_other_family() => CheckSockets(
        TcpSockets.Request(AddressFamily.InterNetworkV6),
        captured: """
            48000000 1400 0103 40e20100 00000000 // SOCK_DIAG_BY_FAMILY REQUEST|DUMP
            0a 06 0e 00 ff0f0000 // AF_INET6, IPPROTO_TCP, idiag_ext, pad, idiag_states
            0000 0000 // idiag_sport, idiag_dport
            00000000 00000000 00000000 00000000 // idiag_src
            00000000 00000000 00000000 00000000 // idiag_dst
            00000000 00000000 00000000 // idiag_if, idiag_cookie
            """,
        own: """
            48000000 1400 0103 01000000 00000000 // SOCK_DIAG_BY_FAMILY REQUEST|DUMP
            0a 06 02 00 ff0f0000 // AF_INET6, IPPROTO_TCP, idiag_ext, pad, idiag_states
            0000 0000 // idiag_sport, idiag_dport
            00000000 00000000 00000000 00000000 // idiag_src
            00000000 00000000 00000000 00000000 // idiag_dst
            00000000 00000000 00000000 // idiag_if, idiag_cookie
            """,
        new Difference("0a060e00", "0a060200", "ss asks for INET_DIAG_VEGASINFO and INET_DIAG_CONG too, which nobody reads here."));

    // ss -tian, on a kernel that does not know SOCK_DIAG_BY_FAMILY
    [Fact]
    public void Tcp_connections_of_both_families() => CheckSockets(
        TcpSockets.Request(0xbff),
        captured: """
            4c000000 1200 0103 40e20100 00000000 // TCPDIAG_GETSOCK REQUEST|DUMP
            02 00 00 0e // idiag_family, idiag_src_len, idiag_dst_len, idiag_ext
            0000 0000 // idiag_sport, idiag_dport
            00000000 00000000 00000000 00000000 // idiag_src
            00000000 00000000 00000000 00000000 // idiag_dst
            00000000 00000000 00000000 // idiag_if, idiag_cookie
            ff0f0000 00000000 // idiag_states, idiag_dbs
            """,
        own: """
            4c000000 1200 0103 01000000 00000000 // TCPDIAG_GETSOCK REQUEST|DUMP
            02 00 00 02 // idiag_family, idiag_src_len, idiag_dst_len, idiag_ext
            0000 0000 // idiag_sport, idiag_dport
            00000000 00000000 00000000 00000000 // idiag_src
            00000000 00000000 00000000 00000000 // idiag_dst
            00000000 00000000 00000000 // idiag_if, idiag_cookie
            ff0b0000 00000000 // idiag_states, idiag_dbs
            """,
        new Difference("0200000e", "02000002", "ss asks for INET_DIAG_VEGASINFO and INET_DIAG_CONG too, which nobody reads here."),
        new Difference("ff0f000000000000", "ff0b000000000000", "listeners are asked for apart, which costs less."));

    // ss -6un state established state unconnected
    [Fact]
    public void Udp_sockets_of_the_other_family() => CheckSockets(
        UdpSockets.Request(AddressFamily.InterNetworkV6),
        captured: """
            48000000 1400 0103 40e20100 00000000 // SOCK_DIAG_BY_FAMILY REQUEST|DUMP
            0a 11 00 00 82000000 // AF_INET6, IPPROTO_UDP, idiag_ext, pad, idiag_states
            0000 0000 // idiag_sport, idiag_dport
            00000000 00000000 00000000 00000000 // idiag_src
            00000000 00000000 00000000 00000000 // idiag_dst
            00000000 00000000 00000000 // idiag_if, idiag_cookie
            """,
        own: """
            48000000 1400 0103 01000000 00000000 // SOCK_DIAG_BY_FAMILY REQUEST|DUMP
            0a 11 00 00 82000000 // AF_INET6, IPPROTO_UDP, idiag_ext, pad, idiag_states
            0000 0000 // idiag_sport, idiag_dport
            00000000 00000000 00000000 00000000 // idiag_src
            00000000 00000000 00000000 00000000 // idiag_dst
            00000000 00000000 00000000 // idiag_if, idiag_cookie
            """);

    // ss -4tln
    [Fact]
    public void Tcp_listeners() => CheckSockets(
        Listeners.Request(AddressFamily.InterNetwork, Tcp, 1 << 10),
        captured: """
            48000000 1400 0103 40e20100 00000000 // SOCK_DIAG_BY_FAMILY REQUEST|DUMP
            02 06 00 00 80040000 // AF_INET, IPPROTO_TCP, idiag_ext, pad, idiag_states
            0000 0000 // idiag_sport, idiag_dport
            00000000 00000000 00000000 00000000 // idiag_src
            00000000 00000000 00000000 00000000 // idiag_dst
            00000000 00000000 00000000 // idiag_if, idiag_cookie
            """,
        own: """
            48000000 1400 0103 01000000 00000000 // SOCK_DIAG_BY_FAMILY REQUEST|DUMP
            02 06 00 00 00040000 // AF_INET, IPPROTO_TCP, idiag_ext, pad, idiag_states
            0000 0000 // idiag_sport, idiag_dport
            00000000 00000000 00000000 00000000 // idiag_src
            00000000 00000000 00000000 00000000 // idiag_dst
            00000000 00000000 00000000 // idiag_if, idiag_cookie
            """,
        new Difference("0206000080040000", "0206000000040000", "ss -l means unconnected sockets, too; of TCP none of those is bound for others to reach."));

    // ss -4un state established state unconnected
    [Fact]
    public void Udp_sockets_connected_or_not() => CheckSockets(
        Listeners.Request(AddressFamily.InterNetwork, Udp, (1 << 1) | (1 << 7)),
        captured: """
            48000000 1400 0103 40e20100 00000000 // SOCK_DIAG_BY_FAMILY REQUEST|DUMP
            02 11 00 00 82000000 // AF_INET, IPPROTO_UDP, idiag_ext, pad, idiag_states
            0000 0000 // idiag_sport, idiag_dport
            00000000 00000000 00000000 00000000 // idiag_src
            00000000 00000000 00000000 00000000 // idiag_dst
            00000000 00000000 00000000 // idiag_if, idiag_cookie
            """,
        own: """
            48000000 1400 0103 01000000 00000000 // SOCK_DIAG_BY_FAMILY REQUEST|DUMP
            02 11 00 00 82000000 // AF_INET, IPPROTO_UDP, idiag_ext, pad, idiag_states
            0000 0000 // idiag_sport, idiag_dport
            00000000 00000000 00000000 00000000 // idiag_src
            00000000 00000000 00000000 00000000 // idiag_dst
            00000000 00000000 00000000 // idiag_if, idiag_cookie
            """);
}
