using CniIsolator.Netlink.Tc;
using static CniIsolator.Netlink.Tests.Golden.GoldenMessage;

namespace CniIsolator.Netlink.Tests.Golden;

/// <summary>fq_codel and the filters that choose its queues, as tc 6.1 writes them; d0 has ifindex 7.</summary>
public class FairQueueGoldenTests
{
    private const uint Own = 0x706d0000;

    // tc qdisc add dev d0 parent 1:1 handle 2: fq_codel
    [Fact]
    public void Add_below_a_class() => Check(
        batch => FqCodel.Add(batch, 7, 0x10001, 0x20000, new FqCodelSettings(), "add"),
        captured: """
            38000000 2400 0506 5743016b 00000000 // RTM_NEWQDISC REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 00000200 01000100 00000000 // tcmsg
            0d00 0100 66715f636f64656c00 000000 // TCA_KIND "fq_codel"
            0400 0200 // TCA_OPTIONS
            """,
        own: """
            38000000 2400 0506 01000000 00000000 // RTM_NEWQDISC REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 00000200 01000100 00000000 // tcmsg
            0d00 0100 66715f636f64656c00 000000 // TCA_KIND "fq_codel"
            0400 0200 // TCA_OPTIONS
            """);

    // tc qdisc add dev d0 parent 1:1 handle 2: fq_codel target 2ms interval 40ms flows 64
    [Fact]
    public void Add_with_settings() => Check(
        batch => FqCodel.Add(batch, 7, 0x10001, 0x20000, new FqCodelSettings(2000, 40_000, 64), "add"),
        captured: """
            50000000 2400 0506 5743016b 00000000 // RTM_NEWQDISC REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 00000200 01000100 00000000 // tcmsg
            0d00 0100 66715f636f64656c00 000000 // TCA_KIND "fq_codel"
            1c00 0200 // TCA_OPTIONS
              0800 0500 40000000 // TCA_FQ_CODEL_FLOWS
              0800 0300 409c0000 // TCA_FQ_CODEL_INTERVAL
              0800 0100 d0070000 // TCA_FQ_CODEL_TARGET
            """,
        own: """
            50000000 2400 0506 01000000 00000000 // RTM_NEWQDISC REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 00000200 01000100 00000000 // tcmsg
            0d00 0100 66715f636f64656c00 000000 // TCA_KIND "fq_codel"
            1c00 0200 // TCA_OPTIONS
              0800 0100 d0070000 // TCA_FQ_CODEL_TARGET
              0800 0300 409c0000 // TCA_FQ_CODEL_INTERVAL
              0800 0500 40000000 // TCA_FQ_CODEL_FLOWS
            """);

    // tc qdisc add dev d0 root handle 706d: fq_codel
    [Fact]
    public void Add_root() => Check(
        batch => FqCodel.Add(batch, 7, TcHandle.Root, Own, new FqCodelSettings(), "add"),
        captured: """
            38000000 2400 0506 5843016b 00000000 // RTM_NEWQDISC REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 00006d70 ffffffff 00000000 // tcmsg
            0d00 0100 66715f636f64656c00 000000 // TCA_KIND "fq_codel"
            0400 0200 // TCA_OPTIONS
            """,
        own: """
            38000000 2400 0506 01000000 00000000 // RTM_NEWQDISC REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 00006d70 ffffffff 00000000 // tcmsg
            0d00 0100 66715f636f64656c00 000000 // TCA_KIND "fq_codel"
            0400 0200 // TCA_OPTIONS
            """);

    // tc qdisc del dev d0 root handle 706d:
    [Fact]
    public void Delete_root() => Check(
        batch => Qdiscs.Delete(batch, 7, TcHandle.Root, Own, "delete"),
        captured: """
            24000000 2500 0500 5843016b 00000000 // RTM_DELQDISC REQUEST|ACK
            00 00 0000 07000000 00006d70 ffffffff 00000000 // tcmsg
            """,
        own: """
            24000000 2500 0500 01000000 00000000 // RTM_DELQDISC REQUEST|ACK
            00 00 0000 07000000 00006d70 ffffffff 00000000 // tcmsg
            """);

    // tc filter add dev d0 parent 706d: protocol ip prio 28785 handle 1: u32 divisor 256
    [Fact]
    public void Table_of_an_egress_filter() => Check(
        batch => U32Filters.Add(batch, new U32Table(new FilterAttachment(7, Own, 28785, EthernetProtocol.InternetProtocol), new U32Handle(1, 0, 0), 256), "add"),
        captured: """
            38000000 2c00 0506 5743016b 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 00001000 00006d70 08007170 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            0c00 0200 // TCA_OPTIONS
              0800 0400 00010000 // TCA_U32_DIVISOR
            """,
        own: """
            38000000 2c00 0506 01000000 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 00001000 00006d70 08007170 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            0c00 0200 // TCA_OPTIONS
              0800 0400 00010000 // TCA_U32_DIVISOR
            """);

    // tc filter add dev d0 parent 706d: protocol ip prio 28785 handle 1:80:1 u32 ht 1:80: match u16 0x8000 0xfc00 at 2 classid 706d:3
    [Fact]
    public void Queue_by_match_in_a_table() => Check(
        batch => U32Filters.Add(
            batch,
            new U32Node(
                new FilterAttachment(7, Own, 28785, EthernetProtocol.InternetProtocol), new U32Handle(1, 0x80, 1), [new U32Key(0x00008000, 0x0000fc00, 0)])
            {
                Class = Own | 3,
            },
            "add"),
        captured: """
            64000000 2c00 0506 5743016b 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01001800 00006d70 08007170 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3800 0200 // TCA_OPTIONS
              0800 0100 03006d70 // TCA_U32_CLASSID
              0800 0200 00001800 // TCA_U32_HASH
              2400 0500 // TCA_U32_SEL
                01 00 01 00 0000 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                0000fc00 00008000 00000000 00000000 // key: mask, val, off, offmask
            """,
        own: """
            64000000 2c00 0506 01000000 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01001800 00006d70 08007170 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3800 0200 // TCA_OPTIONS
              0800 0100 03006d70 // TCA_U32_CLASSID
              0800 0200 00001800 // TCA_U32_HASH
              2400 0500 // TCA_U32_SEL
                01 00 01 00 0000 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                0000fc00 00008000 00000000 00000000 // key: mask, val, off, offmask
            """);

    // tc filter add dev d0 parent 706d: protocol all prio 28786 handle ::1 u32 match u32 0 0 classid 706d:3
    [Fact]
    public void Queue_of_everything_else() => Check(
        batch => U32Filters.Add(
            batch,
            new U32Node(new FilterAttachment(7, Own, 28786, EthernetProtocol.All), new U32Handle(0, 0, 1), [U32Key.Any]) { Class = Own | 3 },
            "add"),
        captured: """
            5c000000 2c00 0506 5743016b 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01000000 00006d70 00037270 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3000 0200 // TCA_OPTIONS
              0800 0100 03006d70 // TCA_U32_CLASSID
              2400 0500 // TCA_U32_SEL
                01 00 01 00 0000 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                00000000 00000000 00000000 00000000 // key: mask, val, off, offmask
            """,
        own: """
            5c000000 2c00 0506 01000000 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01000000 00006d70 00037270 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3000 0200 // TCA_OPTIONS
              0800 0100 03006d70 // TCA_U32_CLASSID
              2400 0500 // TCA_U32_SEL
                01 00 01 00 0000 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                00000000 00000000 00000000 00000000 // key: mask, val, off, offmask
            """);
}
