using CniIsolator.Netlink.Tc;
using static CniIsolator.Netlink.Tests.Golden.GoldenMessage;

namespace CniIsolator.Netlink.Tests.Golden;

/// <summary>u32 nodes that go on in another table, as tc 6.1 writes them; d0 has ifindex 7.</summary>
public class U32LinkGoldenTests
{
    private static readonly FilterAttachment Attachment = new(7, TcHandle.Ingress, 10, EthernetProtocol.InternetProtocol);

    // tc filter add dev d0 ingress protocol ip prio 10 handle 2:0:1 u32 ht 2:0: match u32 0 0 hashkey mask 0x0000ff00 at 0 link 1:
    [Fact]
    public void Link_by_hash_key() => Check(
        batch => U32Filters.Add(batch, new U32Node(Attachment, new U32Handle(2, 0, 1), [U32Key.Any]) { Link = new U32Link(1, HashMask: 0xff00) }, "add"),
        captured: """
            64000000 2c00 0506 1e28016b 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01002000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3800 0200 // TCA_OPTIONS
              0800 0300 00001000 // TCA_U32_LINK
              0800 0200 00002000 // TCA_U32_HASH
              2400 0500 // TCA_U32_SEL
                00 00 01 00 0000 0000 0000 0000 0000ff00 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                00000000 00000000 00000000 00000000 // key: mask, val, off, offmask
            """,
        own: """
            64000000 2c00 0506 01000000 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01002000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3800 0200 // TCA_OPTIONS
              0800 0200 00002000 // TCA_U32_HASH
              0800 0300 00001000 // TCA_U32_LINK
              2400 0500 // TCA_U32_SEL
                00 00 01 00 0000 0000 0000 0000 0000ff00 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                00000000 00000000 00000000 00000000 // key: mask, val, off, offmask
            """);

    // tc filter add dev d0 ingress protocol ip prio 10 handle ::1 u32 match ip protocol 6 0xff offset at 0 mask 0x0f00 shift 6 eat link 2:
    [Fact]
    public void Link_behind_the_ip_header_with_eat() => Check(
        batch => U32Filters.Add(batch, new U32Node(Attachment, new U32Handle(0, 0, 1), [new U32Key(0x00060000, 0x00ff0000, 8)]) { Link = new U32Link(2, Offset: U32Offset.BehindIPv4) }, "add"),
        captured: """
            5c000000 2c00 0506 1e28016b 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01000000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3000 0200 // TCA_OPTIONS
              0800 0300 00002000 // TCA_U32_LINK
              2400 0500 // TCA_U32_SEL
                0c 06 01 00 0f00 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                00ff0000 00060000 08000000 00000000 // key: mask, val, off, offmask
            """,
        own: """
            5c000000 2c00 0506 01000000 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01000000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3000 0200 // TCA_OPTIONS
              0800 0300 00002000 // TCA_U32_LINK
              2400 0500 // TCA_U32_SEL
                0c 06 01 00 0f00 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                00ff0000 00060000 08000000 00000000 // key: mask, val, off, offmask
            """);

    // tc filter add dev d0 ingress protocol ip prio 10 handle ::2 u32 match ip protocol 17 0xff offset at 0 mask 0x0f00 shift 6 link 2:
    [Fact]
    public void Link_behind_the_ip_header_without_eat() => Check(
        batch => U32Filters.Add(batch, new U32Node(Attachment, new U32Handle(0, 0, 2), [new U32Key(0x00110000, 0x00ff0000, 8)]) { Link = new U32Link(2, Offset: U32Offset.NextHeaderBehindIPv4) }, "add"),
        captured: """
            5c000000 2c00 0506 1e28016b 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 02000000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3000 0200 // TCA_OPTIONS
              0800 0300 00002000 // TCA_U32_LINK
              2400 0500 // TCA_U32_SEL
                04 06 01 00 0f00 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                00ff0000 00110000 08000000 00000000 // key: mask, val, off, offmask
            """,
        own: """
            5c000000 2c00 0506 01000000 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 02000000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3000 0200 // TCA_OPTIONS
              0800 0300 00002000 // TCA_U32_LINK
              2400 0500 // TCA_U32_SEL
                04 06 01 00 0f00 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                00ff0000 00110000 08000000 00000000 // key: mask, val, off, offmask
            """);

    // tc filter add dev d0 ingress protocol ip prio 10 handle 3:0:1 u32 ht 3:0: match u8 3 0xff at 0 offset plus 8 eat link 4:
    [Fact]
    public void Link_eight_bytes_on() => Check(
        batch => U32Filters.Add(batch, new U32Node(Attachment, new U32Handle(3, 0, 1), [new U32Key(0x03000000, 0xff000000, 0)]) { Link = new U32Link(4, Offset: new U32Offset(8, 0, 0, 0, Eat: true)) }, "add"),
        captured: """
            64000000 2c00 0506 1e28016b 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01003000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3800 0200 // TCA_OPTIONS
              0800 0300 00004000 // TCA_U32_LINK
              0800 0200 00003000 // TCA_U32_HASH
              2400 0500 // TCA_U32_SEL
                0a 00 01 00 0000 0800 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                ff000000 03000000 00000000 00000000 // key: mask, val, off, offmask
            """,
        own: """
            64000000 2c00 0506 01000000 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01003000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3800 0200 // TCA_OPTIONS
              0800 0200 00003000 // TCA_U32_HASH
              0800 0300 00004000 // TCA_U32_LINK
              2400 0500 // TCA_U32_SEL
                0a 00 01 00 0000 0800 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                ff000000 03000000 00000000 00000000 // key: mask, val, off, offmask
            """);

    // tc filter add dev d0 ingress protocol ip prio 10 handle 3:0:2 u32 ht 3:0: match u8 3 0xff at 0 offset plus 8 at 8 mask 0x0f00 shift 6 eat link 4:
    [Fact]
    public void Link_behind_an_embedded_ip_header() => Check(
        batch => U32Filters.Add(batch, new U32Node(Attachment, new U32Handle(3, 0, 2), [new U32Key(0x03000000, 0xff000000, 0)]) { Link = new U32Link(4, Offset: new U32Offset(8, 0x0f00, 6, 8, Eat: true)) }, "add"),
        captured: """
            64000000 2c00 0506 1e28016b 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 02003000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3800 0200 // TCA_OPTIONS
              0800 0300 00004000 // TCA_U32_LINK
              0800 0200 00003000 // TCA_U32_HASH
              2400 0500 // TCA_U32_SEL
                0e 06 01 00 0f00 0800 0800 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                ff000000 03000000 00000000 00000000 // key: mask, val, off, offmask
            """,
        own: """
            64000000 2c00 0506 01000000 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 02003000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3800 0200 // TCA_OPTIONS
              0800 0200 00003000 // TCA_U32_HASH
              0800 0300 00004000 // TCA_U32_LINK
              2400 0500 // TCA_U32_SEL
                0c 06 01 00 0f00 0800 0800 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                ff000000 03000000 00000000 00000000 // key: mask, val, off, offmask
            """,
        new Difference(
            "/2/5 = 0e06",
            "/2/5 = 0c06",
            "tc sets TC_U32_OFFSET beside TC_U32_VAROFFSET; the kernel adds \"off\" where either is set."));
}
