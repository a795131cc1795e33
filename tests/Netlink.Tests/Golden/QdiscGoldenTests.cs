using CniIsolator.Netlink.Tc;
using static CniIsolator.Netlink.Tests.Golden.GoldenMessage;

namespace CniIsolator.Netlink.Tests.Golden;

/// <summary>Qdiscs, u32 tables and deletions as tc 6.1 writes them; d0 has ifindex 7.</summary>
public class QdiscGoldenTests
{
    private static readonly FilterAttachment Attachment = new(7, TcHandle.Ingress, 10, EthernetProtocol.InternetProtocol);

    // tc qdisc add dev d0 clsact
    [Fact]
    public void Add_clsact() => Check(
        batch => Qdiscs.AddClsact(batch, 7, "add"),
        captured: """
            30000000 2400 0506 1e28016b 00000000 // RTM_NEWQDISC REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 0000ffff f1ffffff 00000000 // tcmsg
            0b00 0100 636c7361637400 00 // TCA_KIND "clsact"
            """,
        own: """
            30000000 2400 0506 01000000 00000000 // RTM_NEWQDISC REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 0000ffff f1ffffff 00000000 // tcmsg
            0b00 0100 636c7361637400 00 // TCA_KIND "clsact"
            """);

    // tc qdisc del dev d0 clsact
    [Fact]
    public void Delete_clsact() => Check(
        batch => Qdiscs.DeleteClsact(batch, 7, "delete"),
        captured: """
            30000000 2500 0500 1e28016b 00000000 // RTM_DELQDISC REQUEST|ACK
            00 00 0000 07000000 0000ffff f1ffffff 00000000 // tcmsg
            0b00 0100 636c7361637400 00 // TCA_KIND "clsact"
            """,
        own: """
            24000000 2500 0500 01000000 00000000 // RTM_DELQDISC REQUEST|ACK
            00 00 0000 07000000 0000ffff f1ffffff 00000000 // tcmsg
            """,
        new Difference(
            "/1 = 636c7361637400\n",
            "",
            "TCA_KIND only has to name the kind that stands there, where it is given."));

    // tc filter add dev d0 ingress protocol ip prio 10 handle 1: u32 divisor 256
    [Fact]
    public void Add_table() => Check(
        batch => U32Filters.Add(batch, new U32Table(Attachment, new U32Handle(1, 0, 0), 256), "add"),
        captured: """
            38000000 2c00 0506 1e28016b 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 00001000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            0c00 0200 // TCA_OPTIONS
              0800 0400 00010000 // TCA_U32_DIVISOR
            """,
        own: """
            38000000 2c00 0506 01000000 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 00001000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            0c00 0200 // TCA_OPTIONS
              0800 0400 00010000 // TCA_U32_DIVISOR
            """);

    // tc filter del dev d0 ingress protocol ip prio 10 handle 1:80:1 u32
    [Fact]
    public void Delete_one_node() => Check(
        batch => U32Filters.Delete(batch, Attachment, new U32Handle(1, 0x80, 1), "delete"),
        captured: """
            2c000000 2d00 0500 1e28016b 00000000 // RTM_DELTFILTER REQUEST|ACK
            00 00 0000 07000000 01001800 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            """,
        own: """
            2c000000 2d00 0500 01000000 00000000 // RTM_DELTFILTER REQUEST|ACK
            00 00 0000 07000000 01001800 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            """);

    // tc filter del dev d0 ingress protocol ip prio 10
    [Fact]
    public void Delete_a_priority() => Check(
        batch => U32Filters.DeletePriority(batch, Attachment, "delete"),
        captured: """
            24000000 2d00 0500 1e28016b 00000000 // RTM_DELTFILTER REQUEST|ACK
            00 00 0000 07000000 00000000 f2ffffff 08000a00 // tcmsg
            """,
        own: """
            24000000 2d00 0500 01000000 00000000 // RTM_DELTFILTER REQUEST|ACK
            00 00 0000 07000000 00000000 f2ffffff 08000a00 // tcmsg
            """);
}
