using CniIsolator.Netlink.Tc;
using static CniIsolator.Netlink.Tests.Golden.GoldenMessage;

namespace CniIsolator.Netlink.Tests.Golden;

/// <summary>u32 nodes that decide, as tc 6.1 writes them; d0 has ifindex 7 and d1 has 8.</summary>
public class U32NodeGoldenTests
{
    private static readonly FilterAttachment Attachment = new(7, TcHandle.Ingress, 10, EthernetProtocol.InternetProtocol);
    private static readonly FilterAttachment Arp = new(7, TcHandle.Ingress, 1, EthernetProtocol.AddressResolution);

    // tc filter add dev d0 ingress protocol ip prio 10 handle ::3 u32 match u16 0x0035 0xffff at nexthdr+0 flowid ffff:0
    [Fact]
    public void Match_behind_the_ip_header() => Check(
        batch => U32Filters.Add(batch, new U32Node(Attachment, new U32Handle(0, 0, 3), [new U32Key(0x00350000, 0xffff0000, 0, AtNextHeader: true)]), "add"),
        captured: """
            5c000000 2c00 0506 1e28016b 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 03000000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3000 0200 // TCA_OPTIONS
              0800 0100 0000ffff // TCA_U32_CLASSID
              2400 0500 // TCA_U32_SEL
                01 00 01 00 0000 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                ffff0000 00350000 00000000 ffffffff // key: mask, val, off, offmask
            """,
        own: """
            5c000000 2c00 0506 01000000 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 03000000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3000 0200 // TCA_OPTIONS
              0800 0100 0000ffff // TCA_U32_CLASSID
              2400 0500 // TCA_U32_SEL
                01 00 01 00 0000 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                ffff0000 00350000 00000000 ffffffff // key: mask, val, off, offmask
            """);

    // tc filter add dev d0 ingress protocol ip prio 10 handle 1:80:1 u32 ht 1:80: match u16 0x8000 0xfc00 at 2 action mirred egress redirect dev d1
    [Fact]
    public void Redirect() => Check(
        batch => U32Filters.Add(batch, new U32Node(Attachment, new U32Handle(1, 0x80, 1), [new U32Key(0x00008000, 0x0000fc00, 0)]) { Action = Mirred.Redirect(8) }, "add"),
        captured: """
            94000000 2c00 0506 1e28016b 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01001800 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            6800 0200 // TCA_OPTIONS
              3800 0700 // TCA_U32_ACT
                3400 0100 // action 1
                  0b00 0100 6d697272656400 00 // TCA_ACT_KIND "mirred"
                  2400 0280 // TCA_ACT_OPTIONS
                    2000 0200 // TCA_MIRRED_PARMS
                      00000000 00000000 04000000 00000000 00000000 01000000 08000000 // index, capab, action, refcnt, bindcnt, eaction, ifindex
              0800 0200 00001800 // TCA_U32_HASH
              2400 0500 // TCA_U32_SEL
                01 00 01 00 0000 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                0000fc00 00008000 00000000 00000000 // key: mask, val, off, offmask
            """,
        own: """
            94000000 2c00 0506 01000000 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01001800 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            6800 0200 // TCA_OPTIONS
              0800 0200 00001800 // TCA_U32_HASH
              3800 0700 // TCA_U32_ACT
                3400 0100 // action 1
                  0b00 0100 6d697272656400 00 // TCA_ACT_KIND "mirred"
                  2400 0280 // TCA_ACT_OPTIONS
                    2000 0200 // TCA_MIRRED_PARMS
                      00000000 00000000 04000000 00000000 00000000 01000000 08000000 // index, capab, action, refcnt, bindcnt, eaction, ifindex
              2400 0500 // TCA_U32_SEL
                01 00 01 00 0000 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                0000fc00 00008000 00000000 00000000 // key: mask, val, off, offmask
            """);

    // tc filter add dev d0 ingress protocol ip prio 10 handle ::4 u32 match ip protocol 1 0xff match u8 0 0xff at 20 action mirred egress mirror dev d1 continue
    [Fact]
    public void Mirror_and_go_on() => Check(
        batch => U32Filters.Add(batch, new U32Node(Attachment, new U32Handle(0, 0, 4), [new U32Key(0x00010000, 0x00ff0000, 8), new U32Key(0, 0xff000000, 20)]) { Action = Mirred.Mirror(8, Verdict.Continue) }, "add"),
        captured: """
            9c000000 2c00 0506 1e28016b 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 04000000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            7000 0200 // TCA_OPTIONS
              3800 0700 // TCA_U32_ACT
                3400 0100 // action 1
                  0b00 0100 6d697272656400 00 // TCA_ACT_KIND "mirred"
                  2400 0280 // TCA_ACT_OPTIONS
                    2000 0200 // TCA_MIRRED_PARMS
                      00000000 00000000 ffffffff 00000000 00000000 02000000 08000000 // index, capab, action, refcnt, bindcnt, eaction, ifindex
              3400 0500 // TCA_U32_SEL
                01 00 02 00 0000 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                00ff0000 00010000 08000000 00000000 // key: mask, val, off, offmask
                ff000000 00000000 14000000 00000000 // key: mask, val, off, offmask
            """,
        own: """
            9c000000 2c00 0506 01000000 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 04000000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            7000 0200 // TCA_OPTIONS
              3800 0700 // TCA_U32_ACT
                3400 0100 // action 1
                  0b00 0100 6d697272656400 00 // TCA_ACT_KIND "mirred"
                  2400 0280 // TCA_ACT_OPTIONS
                    2000 0200 // TCA_MIRRED_PARMS
                      00000000 00000000 ffffffff 00000000 00000000 02000000 08000000 // index, capab, action, refcnt, bindcnt, eaction, ifindex
              3400 0500 // TCA_U32_SEL
                01 00 02 00 0000 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                00ff0000 00010000 08000000 00000000 // key: mask, val, off, offmask
                ff000000 00000000 14000000 00000000 // key: mask, val, off, offmask
            """);

    // tc filter add dev d0 ingress protocol ip prio 10 handle ::5 u32 match ip protocol 1 0xff flowid ffff:0
    [Fact]
    public void Accept() => Check(
        batch => U32Filters.Add(batch, new U32Node(Attachment, new U32Handle(0, 0, 5), [new U32Key(0x00010000, 0x00ff0000, 8)]), "add"),
        captured: """
            5c000000 2c00 0506 1e28016b 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 05000000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3000 0200 // TCA_OPTIONS
              0800 0100 0000ffff // TCA_U32_CLASSID
              2400 0500 // TCA_U32_SEL
                01 00 01 00 0000 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                00ff0000 00010000 08000000 00000000 // key: mask, val, off, offmask
            """,
        own: """
            5c000000 2c00 0506 01000000 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 05000000 f2ffffff 08000a00 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            3000 0200 // TCA_OPTIONS
              0800 0100 0000ffff // TCA_U32_CLASSID
              2400 0500 // TCA_U32_SEL
                01 00 01 00 0000 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                00ff0000 00010000 08000000 00000000 // key: mask, val, off, offmask
            """);

    // tc filter add dev d0 ingress protocol arp prio 1 handle ::1 u32 match u16 0x0002 0xffff at 6 action mirred egress mirror dev d1 continue
    [Fact]
    public void Mirror_arp_replies() => Check(
        batch => U32Filters.Add(batch, new U32Node(Arp, new U32Handle(0, 0, 1), [new U32Key(0x00000002, 0x0000ffff, 4)]) { Action = Mirred.Mirror(8, Verdict.Continue) }, "add"),
        captured: """
            8c000000 2c00 0506 1e28016b 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01000000 f2ffffff 08060100 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            6000 0200 // TCA_OPTIONS
              3800 0700 // TCA_U32_ACT
                3400 0100 // action 1
                  0b00 0100 6d697272656400 00 // TCA_ACT_KIND "mirred"
                  2400 0280 // TCA_ACT_OPTIONS
                    2000 0200 // TCA_MIRRED_PARMS
                      00000000 00000000 ffffffff 00000000 00000000 02000000 08000000 // index, capab, action, refcnt, bindcnt, eaction, ifindex
              2400 0500 // TCA_U32_SEL
                01 00 01 00 0000 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                0000ffff 00000002 04000000 00000000 // key: mask, val, off, offmask
            """,
        own: """
            8c000000 2c00 0506 01000000 00000000 // RTM_NEWTFILTER REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01000000 f2ffffff 08060100 // tcmsg
            0800 0100 75333200 // TCA_KIND "u32"
            6000 0200 // TCA_OPTIONS
              3800 0700 // TCA_U32_ACT
                3400 0100 // action 1
                  0b00 0100 6d697272656400 00 // TCA_ACT_KIND "mirred"
                  2400 0280 // TCA_ACT_OPTIONS
                    2000 0200 // TCA_MIRRED_PARMS
                      00000000 00000000 ffffffff 00000000 00000000 02000000 08000000 // index, capab, action, refcnt, bindcnt, eaction, ifindex
              2400 0500 // TCA_U32_SEL
                01 00 01 00 0000 0000 0000 0000 00000000 // flags, offshift, nkeys, padding, offmask, off, offoff, hoff, hmask
                0000ffff 00000002 04000000 00000000 // key: mask, val, off, offmask
            """);
}
