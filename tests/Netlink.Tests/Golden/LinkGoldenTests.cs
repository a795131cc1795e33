using CniIsolator.Netlink.Route;
using static CniIsolator.Netlink.Tests.Golden.GoldenMessage;

namespace CniIsolator.Netlink.Tests.Golden;

/// <summary>Links, addresses, routes and neighbours as ip 6.1 writes them; d0 has ifindex 7.</summary>
public class LinkGoldenTests
{
    private static readonly MacAddress Mac = MacAddress.Parse("02:42:0a:4d:00:02");

    // ip link add pmh1 index 4097 address 02:42:0a:4d:00:02 mtu 1500 type veth peer name eth0 index 2 address 02:42:0a:4d:00:02 mtu 1500 netns /proc/PID/ns/net
    [Fact]
    public void Create_veth_with_its_peer_in_another_namespace() => Check(
        batch => Links.CreateVeth(batch, new VethEnd("pmh1", 4097), new VethEnd("eth0", 2), farNamespace: 4, Mac, 1500),
        captured: """
            8c000000 1000 0506 1d28016b 00000000 // RTM_NEWLINK REQUEST|ACK|EXCL|CREATE
            00 00 0000 01100000 00000000 00000000 // ifinfomsg
            0a00 0100 02420a4d0002 0000 // IFLA_ADDRESS
            0800 0400 dc050000 // IFLA_MTU
            0900 0300 706d683100 000000 // IFLA_IFNAME "pmh1"
            4c00 1200 // IFLA_LINKINFO
              0800 0100 76657468 // IFLA_INFO_KIND "veth"
              4000 0200 // IFLA_INFO_DATA
                3c00 0100 // VETH_INFO_PEER
                  00 00 0000 02000000 00000000 00000000 // ifinfomsg
                  0a00 0100 02420a4d0002 0000 // IFLA_ADDRESS
                  0800 0400 dc050000 // IFLA_MTU
                  0800 1c00 04000000 // IFLA_NET_NS_FD
                  0900 0300 6574683000 000000 // IFLA_IFNAME "eth0"
            """,
        own: """
            8c000000 1000 0506 01000000 00000000 // RTM_NEWLINK REQUEST|ACK|EXCL|CREATE
            00 00 0000 01100000 00000000 00000000 // ifinfomsg
            0900 0300 706d683100 000000 // IFLA_IFNAME "pmh1"
            0a00 0100 02420a4d0002 0000 // IFLA_ADDRESS
            0800 0400 dc050000 // IFLA_MTU
            4c00 1200 // IFLA_LINKINFO
              0800 0100 76657468 // IFLA_INFO_KIND "veth"
              4000 0200 // IFLA_INFO_DATA
                3c00 0100 // VETH_INFO_PEER
                  00 00 0000 02000000 00000000 00000000 // ifinfomsg
                  0900 0300 6574683000 000000 // IFLA_IFNAME "eth0"
                  0a00 0100 02420a4d0002 0000 // IFLA_ADDRESS
                  0800 0400 dc050000 // IFLA_MTU
                  0800 1c00 04000000 // IFLA_NET_NS_FD
            """);

    // ip link set dev d0 up address 02:42:0a:4d:00:02 mtu 1400 alias pod/web addrgenmode none
    [Fact]
    public void Bring_up_with_mac_mtu_alias_and_no_generated_address() => Check(
        batch => Links.SetUp(batch, 7, "up", Mac, 1400, "pod/web", withoutAutoconfiguration: true),
        captured: """
            50000000 1000 0500 1e28016b 00000000 // RTM_NEWLINK REQUEST|ACK
            00 00 0000 07000000 01000000 01000000 // ifinfomsg
            0a00 0100 02420a4d0002 0000 // IFLA_ADDRESS
            0800 0400 78050000 // IFLA_MTU
            0b00 1400 706f642f776562 00 // IFLA_IFALIAS "pod/web"
            1000 1a00 // IFLA_AF_SPEC
              0c00 0a00 // AF_INET6
                0500 0800 01 000000 // IFLA_INET6_ADDR_GEN_MODE
            """,
        own: """
            50000000 1300 0500 01000000 00000000 // RTM_SETLINK REQUEST|ACK
            00 00 0000 07000000 01000000 01000000 // ifinfomsg
            0a00 0100 02420a4d0002 0000 // IFLA_ADDRESS
            0800 0400 78050000 // IFLA_MTU
            0b00 1400 706f642f776562 00 // IFLA_IFALIAS "pod/web"
            1000 1a00 // IFLA_AF_SPEC
              0c00 0a00 // AF_INET6
                0500 0800 01 000000 // IFLA_INET6_ADDR_GEN_MODE
            """,
        new Difference(
            "message 16",
            "message 19",
            "ip changes links by RTM_NEWLINK without NLM_F_CREATE; the kernel changes an existing link by the same do_setlink()."));

    // ip link set dev d0 down address 02:42:0a:4d:00:03 mtu 1500
    [Fact]
    public void Restore_mac_mtu_and_state() => Check(
        batch => Links.Restore(batch, 7, MacAddress.Parse("02:42:0a:4d:00:03"), 1500, up: false, "restore"),
        captured: """
            34000000 1000 0500 1e28016b 00000000 // RTM_NEWLINK REQUEST|ACK
            00 00 0000 07000000 00000000 01000000 // ifinfomsg
            0a00 0100 02420a4d0003 0000 // IFLA_ADDRESS
            0800 0400 dc050000 // IFLA_MTU
            """,
        own: """
            34000000 1300 0500 01000000 00000000 // RTM_SETLINK REQUEST|ACK
            00 00 0000 07000000 00000000 01000000 // ifinfomsg
            0a00 0100 02420a4d0003 0000 // IFLA_ADDRESS
            0800 0400 dc050000 // IFLA_MTU
            """,
        new Difference(
            "message 16",
            "message 19",
            "ip changes links by RTM_NEWLINK without NLM_F_CREATE; the kernel changes an existing link by the same do_setlink()."));

    // ip link set dev d0 address 02:42:0a:4d:00:02
    [Fact]
    public void Set_mac() => Check(
        batch => Links.SetMac(batch, 7, Mac, "mac"),
        captured: """
            2c000000 1000 0500 1e28016b 00000000 // RTM_NEWLINK REQUEST|ACK
            00 00 0000 07000000 00000000 00000000 // ifinfomsg
            0a00 0100 02420a4d0002 0000 // IFLA_ADDRESS
            """,
        own: """
            2c000000 1300 0500 01000000 00000000 // RTM_SETLINK REQUEST|ACK
            00 00 0000 07000000 00000000 00000000 // ifinfomsg
            0a00 0100 02420a4d0002 0000 // IFLA_ADDRESS
            """,
        new Difference(
            "message 16",
            "message 19",
            "ip changes links by RTM_NEWLINK without NLM_F_CREATE; the kernel changes an existing link by the same do_setlink()."));

    // ip link del dev d0
    [Fact]
    public void Delete_link() => Check(
        batch => Links.Delete(batch, 7, "delete"),
        captured: """
            20000000 1100 0500 1d28016b 00000000 // RTM_DELLINK REQUEST|ACK
            00 00 0000 07000000 00000000 00000000 // ifinfomsg
            """,
        own: """
            20000000 1100 0500 01000000 00000000 // RTM_DELLINK REQUEST|ACK
            00 00 0000 07000000 00000000 00000000 // ifinfomsg
            """);

    // ip link set dev d0 group 1886218017
    [Fact]
    public void Put_link_into_a_group() => Check(
        batch => Links.SetGroup(batch, 7, 0x706d6721, "group"),
        captured: """
            28000000 1000 0500 00b2016b 00000000 // RTM_NEWLINK REQUEST|ACK
            00 00 0000 07000000 00000000 00000000 // ifinfomsg
            0800 1b00 21676d70 // IFLA_GROUP
            """,
        own: """
            28000000 1300 0500 01000000 00000000 // RTM_SETLINK REQUEST|ACK
            00 00 0000 07000000 00000000 00000000 // ifinfomsg
            0800 1b00 21676d70 // IFLA_GROUP
            """,
        new Difference(
            "message 16",
            "message 19",
            "ip changes links by RTM_NEWLINK without NLM_F_CREATE; the kernel changes an existing link by the same do_setlink()."));

    // ip link del group 1886218017
    [Fact]
    public void Delete_group() => Check(
        batch => Links.DeleteGroup(batch, 0x706d6721, "delete group"),
        captured: """
            28000000 1100 0500 00b2016b 00000000 // RTM_DELLINK REQUEST|ACK
            00 00 0000 00000000 00000000 00000000 // ifinfomsg
            0800 1b00 21676d70 // IFLA_GROUP
            """,
        own: """
            28000000 1100 0500 01000000 00000000 // RTM_DELLINK REQUEST|ACK
            00 00 0000 00000000 00000000 00000000 // ifinfomsg
            0800 1b00 21676d70 // IFLA_GROUP
            """);

    // ip addr add 10.77.0.2/24 broadcast + dev d0
    [Fact]
    public void Add_address() => Check(
        batch => Addresses.Add(batch, 7, InternetAddress.Parse("10.77.0.2"), 24),
        captured: """
            30000000 1400 0506 1d28016b 00000000 // RTM_NEWADDR REQUEST|ACK|EXCL|CREATE
            02 18 00 00 07000000 // ifaddrmsg
            0800 0200 0a4d0002 // IFA_LOCAL
            0800 0100 0a4d0002 // IFA_ADDRESS
            0800 0400 0a4d00ff // IFA_BROADCAST
            """,
        own: """
            30000000 1400 0506 01000000 00000000 // RTM_NEWADDR REQUEST|ACK|EXCL|CREATE
            02 18 00 00 07000000 // ifaddrmsg
            0800 0200 0a4d0002 // IFA_LOCAL
            0800 0100 0a4d0002 // IFA_ADDRESS
            0800 0400 0a4d00ff // IFA_BROADCAST
            """);

    // ip route add default via 192.0.2.1 dev d0 onlink
    [Fact]
    public void Default_route_by_a_gateway_on_link() => Check(
        batch => Routes.AddDefault(batch, 7, InternetAddress.Parse("192.0.2.1")),
        captured: """
            2c000000 1800 0506 1d28016b 00000000 // RTM_NEWROUTE REQUEST|ACK|EXCL|CREATE
            02 00 00 00 fe 03 00 01 04000000 // rtmsg
            0800 0500 c0000201 // RTA_GATEWAY
            0800 0400 07000000 // RTA_OIF
            """,
        own: """
            2c000000 1800 0506 01000000 00000000 // RTM_NEWROUTE REQUEST|ACK|EXCL|CREATE
            02 00 00 00 fe 03 00 01 04000000 // rtmsg
            0800 0500 c0000201 // RTA_GATEWAY
            0800 0400 07000000 // RTA_OIF
            """);

    // ip route add default dev d0
    [Fact]
    public void Default_route_without_gateway() => Check(
        batch => Routes.AddDefault(batch, 7, null),
        captured: """
            24000000 1800 0506 1d28016b 00000000 // RTM_NEWROUTE REQUEST|ACK|EXCL|CREATE
            02 00 00 00 fe 03 fd 01 00000000 // rtmsg
            0800 0400 07000000 // RTA_OIF
            """,
        own: """
            24000000 1800 0506 01000000 00000000 // RTM_NEWROUTE REQUEST|ACK|EXCL|CREATE
            02 00 00 00 fe 03 fd 01 00000000 // rtmsg
            0800 0400 07000000 // RTA_OIF
            """);

    // ip neigh replace 10.77.0.1 lladdr 02:42:0a:4d:00:01 dev d0 nud stale
    [Fact]
    public void Stale_neighbour() => Check(
        batch => Neighbours.AddStale(batch, 7, InternetAddress.Parse("10.77.0.1"), MacAddress.Parse("02:42:0a:4d:00:01")),
        captured: """
            30000000 1c00 0505 1e28016b 00000000 // RTM_NEWNEIGH REQUEST|ACK|REPLACE|CREATE
            02 00 0000 07000000 0400 00 00 // ndmsg
            0800 0100 0a4d0001 // NDA_DST
            0a00 0200 02420a4d0001 0000 // NDA_LLADDR
            """,
        own: """
            30000000 1c00 0505 01000000 00000000 // RTM_NEWNEIGH REQUEST|ACK|REPLACE|CREATE
            02 00 0000 07000000 0400 00 00 // ndmsg
            0800 0100 0a4d0001 // NDA_DST
            0a00 0200 02420a4d0001 0000 // NDA_LLADDR
            """);
}
