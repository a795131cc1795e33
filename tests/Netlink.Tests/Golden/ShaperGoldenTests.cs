using System.Buffers.Binary;
using CniIsolator.Netlink.Tc;
using static CniIsolator.Netlink.Tests.Golden.GoldenMessage;

namespace CniIsolator.Netlink.Tests.Golden;

/// <summary>htb and its classes as tc 6.1 writes them; d0 has ifindex 7.</summary>
public class ShaperGoldenTests
{
    // tc qdisc add dev d0 root handle 1: htb default 1 r2q 10 direct_qlen 0
    [Fact]
    public void Add_htb() => Check(
        batch => Htb.AddQdisc(batch, 7, 0x10000, new HtbSettings(DefaultClass: 1, DirectQueueLength: 0), "add"),
        captured: """
            50000000 2400 0506 5743016b 00000000 // RTM_NEWQDISC REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 00000100 ffffffff 00000000 // tcmsg
            0800 0100 68746200 // TCA_KIND "htb"
            2400 0200 // TCA_OPTIONS
              1800 0200 // TCA_HTB_INIT
                03000000 0a000000 01000000 00000000 00000000 // version, rate2quantum, defcls, debug, direct_pkts
              0800 0500 00000000 // TCA_HTB_DIRECT_QLEN
            """,
        own: """
            50000000 2400 0506 01000000 00000000 // RTM_NEWQDISC REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 00000100 ffffffff 00000000 // tcmsg
            0800 0100 68746200 // TCA_KIND "htb"
            2400 0200 // TCA_OPTIONS
              1800 0200 // TCA_HTB_INIT
                03000000 0a000000 01000000 00000000 00000000 // version, rate2quantum, defcls, debug, direct_pkts
              0800 0500 00000000 // TCA_HTB_DIRECT_QLEN
            """);

    // tc class add dev d0 parent 1: classid 1:1 htb rate 125000bps ceil 250000bps burst 12500 cburst 1514 quantum 1514
    [Fact]
    public void Add_class() => Check(
        batch => Htb.AddClass(
            batch, 7, new HtbClass(0x10001, 0x10000, 125_000, 250_000, HtbClass.TicksFor(12_500, 125_000), HtbClass.TicksFor(1514, 250_000), 1514), "add"),
        captured: $"""
            68080000 2800 0506 5743016b 00000000 // RTM_NEWTCLASS REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01000100 00000100 00000000 // tcmsg
            0800 0100 68746200 // TCA_KIND "htb"
            3c08 0200 // TCA_OPTIONS
              3000 0100 // TCA_HTB_PARMS
                03 01 0000 ffff 0000 48e80100 // rate: cell_log, linklayer, overhead, cell_align, mpu, rate
                03 01 0000 ffff 0000 90d00300 // ceil
                84d71700 a1710100 ea050000 00000000 00000000 // buffer, cbuffer, quantum, level, prio
              0404 0400 {Table(125_000)} // TCA_HTB_RTAB
              0404 0300 {Table(250_000)} // TCA_HTB_CTAB
            """,
        own: """
            78000000 2800 0506 01000000 00000000 // RTM_NEWTCLASS REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 01000100 00000100 00000000 // tcmsg
            0800 0100 68746200 // TCA_KIND "htb"
            4c00 0200 // TCA_OPTIONS
              0c00 0600 48e80100 00000000 // TCA_HTB_RATE64
              0c00 0700 90d00300 00000000 // TCA_HTB_CEIL64
              3000 0100 // TCA_HTB_PARMS
                00 01 0000 0000 0000 48e80100 // rate: cell_log, linklayer, overhead, cell_align, mpu, rate
                00 01 0000 0000 0000 90d00300 // ceil
                84d71700 a1710100 ea050000 00000000 00000000 // buffer, cbuffer, quantum, level, prio
            """,
        WideRates(250_000, "48e8010000000000", "90d0030000000000"),
        NoTables(125_000, 250_000),
        NoCells("48e80100", "90d00300"));

    // tc class replace dev d0 parent 1: classid 1:1 htb rate 250000bps ceil 250000bps burst 25000 cburst 1514 quantum 1514
    [Fact]
    public void Set_class() => Check(
        batch => Htb.SetClass(
            batch, 7, new HtbClass(0x10001, 0x10000, 250_000, 250_000, HtbClass.TicksFor(25_000, 250_000), HtbClass.TicksFor(1514, 250_000), 1514), "change"),
        captured: $"""
            68080000 2800 0504 5743016b 00000000 // RTM_NEWTCLASS REQUEST|ACK|CREATE
            00 00 0000 07000000 01000100 00000100 00000000 // tcmsg
            0800 0100 68746200 // TCA_KIND "htb"
            3c08 0200 // TCA_OPTIONS
              3000 0100 // TCA_HTB_PARMS
                03 01 0000 ffff 0000 90d00300 // rate: cell_log, linklayer, overhead, cell_align, mpu, rate
                03 01 0000 ffff 0000 90d00300 // ceil
                84d71700 a1710100 ea050000 00000000 00000000 // buffer, cbuffer, quantum, level, prio
              0404 0400 {Table(250_000)} // TCA_HTB_RTAB
              0404 0300 {Table(250_000)} // TCA_HTB_CTAB
            """,
        own: """
            78000000 2800 0504 01000000 00000000 // RTM_NEWTCLASS REQUEST|ACK|CREATE
            00 00 0000 07000000 01000100 00000100 00000000 // tcmsg
            0800 0100 68746200 // TCA_KIND "htb"
            4c00 0200 // TCA_OPTIONS
              0c00 0600 90d00300 00000000 // TCA_HTB_RATE64
              0c00 0700 90d00300 00000000 // TCA_HTB_CEIL64
              3000 0100 // TCA_HTB_PARMS
                00 01 0000 0000 0000 90d00300 // rate: cell_log, linklayer, overhead, cell_align, mpu, rate
                00 01 0000 0000 0000 90d00300 // ceil
                84d71700 a1710100 ea050000 00000000 00000000 // buffer, cbuffer, quantum, level, prio
            """,
        WideRates(250_000, "90d0030000000000", "90d0030000000000"),
        NoTables(250_000, 250_000),
        NoCells("90d00300", "90d00300"));

    // tc class add dev d0 parent 1: classid 1:2 htb rate 100gbit ceil 200gbit burst 12500000 cburst 25000000 quantum 60000
    [Fact]
    public void Add_class_with_rates_of_more_than_32_bits() => Check(
        batch => Htb.AddClass(
            batch,
            7,
            new HtbClass(
                0x10002, 0x10000, 12_500_000_000, 25_000_000_000, HtbClass.TicksFor(12_500_000, 12_500_000_000), HtbClass.TicksFor(25_000_000, 25_000_000_000), 60_000),
            "add"),
        captured: $"""
            80080000 2800 0506 5743016b 00000000 // RTM_NEWTCLASS REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 02000100 00000100 00000000 // tcmsg
            0800 0100 68746200 // TCA_KIND "htb"
            5408 0200 // TCA_OPTIONS
              0c00 0600 00dd0ee9 02000000 // TCA_HTB_RATE64
              0c00 0700 00ba1dd2 05000000 // TCA_HTB_CEIL64
              3000 0100 // TCA_HTB_PARMS
                03 01 0000 ffff 0000 ffffffff // rate: cell_log, linklayer, overhead, cell_align, mpu, rate
                03 01 0000 ffff 0000 ffffffff // ceil
                093d0000 093d0000 60ea0000 00000000 00000000 // buffer, cbuffer, quantum, level, prio
              0404 0400 {Table(12_500_000_000)} // TCA_HTB_RTAB: no packet takes a tick
              0404 0300 {Table(25_000_000_000)} // TCA_HTB_CTAB
            """,
        own: """
            78000000 2800 0506 01000000 00000000 // RTM_NEWTCLASS REQUEST|ACK|EXCL|CREATE
            00 00 0000 07000000 02000100 00000100 00000000 // tcmsg
            0800 0100 68746200 // TCA_KIND "htb"
            4c00 0200 // TCA_OPTIONS
              0c00 0600 00dd0ee9 02000000 // TCA_HTB_RATE64
              0c00 0700 00ba1dd2 05000000 // TCA_HTB_CEIL64
              3000 0100 // TCA_HTB_PARMS
                00 01 0000 0000 0000 ffffffff // rate: cell_log, linklayer, overhead, cell_align, mpu, rate
                00 01 0000 0000 0000 ffffffff // ceil
                093d0000 093d0000 60ea0000 00000000 00000000 // buffer, cbuffer, quantum, level, prio
            """,
        NoTables(12_500_000_000, 25_000_000_000),
        NoCells("ffffffff", "ffffffff"));

    // tc qdisc del dev d0 root handle 1:
    [Fact]
    public void Delete_root() => Check(
        batch => Qdiscs.Delete(batch, 7, TcHandle.Root, 0x10000, "delete"),
        captured: """
            24000000 2500 0500 5843016b 00000000 // RTM_DELQDISC REQUEST|ACK
            00 00 0000 07000000 00000100 ffffffff 00000000 // tcmsg
            """,
        own: """
            24000000 2500 0500 01000000 00000000 // RTM_DELQDISC REQUEST|ACK
            00 00 0000 07000000 00000100 ffffffff 00000000 // tcmsg
            """);

    // tc qdisc del dev d0 parent 1:1 handle 2:
    [Fact]
    public void Delete_below_a_class() => Check(
        batch => Qdiscs.Delete(batch, 7, 0x10001, 0x20000, "delete"),
        captured: """
            24000000 2500 0500 5743016b 00000000 // RTM_DELQDISC REQUEST|ACK
            00 00 0000 07000000 00000200 01000100 00000000 // tcmsg
            """,
        own: """
            24000000 2500 0500 01000000 00000000 // RTM_DELQDISC REQUEST|ACK
            00 00 0000 07000000 00000200 01000100 00000000 // tcmsg
            """);

    /// <summary>tc's table for a rate: ticks that 8, 16, ... 2048 bytes take, cut to whole microseconds first.</summary>
    private static string Table(ulong bytesPerSecond)
    {
        const double TicksPerMicrosecond = 15.625;
        var bytes = new byte[256 * sizeof(uint)];
        for (var i = 0; i < 256; i++)
        {
            var microseconds = (uint)(1e6 * (8.0 * (i + 1) / bytesPerSecond));
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * sizeof(uint)), (uint)(microseconds * TicksPerMicrosecond));
        }

        return Convert.ToHexStringLower(bytes);
    }

    private static Difference WideRates(ulong ceilTable, string rate, string ceil) => new(
        $"  /2/3 = {Table(ceilTable)}\n",
        $"  /2/6 = {rate}\n  /2/7 = {ceil}\n  /2/3 = {Table(ceilTable)}\n",
        "TCA_HTB_RATE64 and CEIL64 say the same as the 32 bits beside them: the kernel takes the larger (psched_ratecfg_precompute).");

    private static Difference NoTables(ulong rate, ulong ceil) => new(
        $"  /2/3 = {Table(ceil)}\n  /2/4 = {Table(rate)}\n",
        "",
        "TCA_HTB_RTAB and CTAB are read only for TC_LINKLAYER_UNAWARE (htb_change_class); both name Ethernet.");

    private static Difference NoCells(string rate, string ceil) => new(
        $"  /2/1 = 03010000ffff0000{rate}03010000ffff0000{ceil}",
        $"  /2/1 = 0001000000000000{rate}0001000000000000{ceil}",
        "cell_log and cell_align index the tables.");
}
