using System.Runtime.InteropServices;

namespace CniIsolator.Netlink.Tc;

/// <summary>What TCA_STATS2 and TCA_ACT_STATS nest. Source: linux/gen_stats.h.</summary>
public enum CounterAttribute : ushort
{
    Basic = 1, // TCA_STATS_BASIC
    Queue = 3, // TCA_STATS_QUEUE
    Application = 4, // TCA_STATS_APP: its structure depends on the kind
    Packets = 8, // TCA_STATS_PKT64: only where 32 bits do not hold them (kernel 5.5)
}

/// <summary>struct gnet_stats_basic of linux/gen_stats.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct BasicCounters
{
    public ulong Bytes; // bytes
    public uint Packets; // packets, modulo 2^32
}

/// <summary>struct gnet_stats_queue of linux/gen_stats.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct QueueCounters
{
    public uint Length; // qlen
    public uint Backlog; // backlog
    public uint Drops; // drops
    public uint Requeues; // requeues
    public uint Overlimits; // overlimits
}

/// <summary>Which half of tc_fq_codel_xstats counts. Source: linux/pkt_sched.h.</summary>
public enum FqCodelStatisticsType : uint
{
    Qdisc = 0, // TCA_FQ_CODEL_XSTATS_QDISC
    Class = 1, // TCA_FQ_CODEL_XSTATS_CLASS
}

/// <summary>struct tc_fq_codel_qd_stats of linux/pkt_sched.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FqCodelStatistics
{
    public uint LargestPacket; // maxpacket, bytes, since the qdisc was made
    public uint DropsOverLimit; // drop_overlimit: packets dropped as the qdisc was full
    public uint EcnMarks; // ecn_mark: packets marked where codel would drop them
    public uint NewFlows; // new_flow_count: times that a packet began a flow
    public uint NewFlowsLength; // new_flows_len, flows at this moment
    public uint OldFlowsLength; // old_flows_len, flows at this moment
    public uint ThresholdMarks; // ce_mark: packets marked as they waited longer than ce_threshold
    public uint MemoryUsage; // memory_usage, bytes at this moment; 0 before kernel 4.7
    public uint DropsOverMemory; // drop_overmemory: packets dropped as memory_limit was reached; 0 before kernel 4.7
}

/// <summary>struct tc_fq_codel_xstats of linux/pkt_sched.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct FqCodelExtendedStatistics
{
    public FqCodelStatisticsType Type; // type
    public FqCodelStatistics Qdisc; // qdisc_stats, in a union with what is counted of one flow
}
