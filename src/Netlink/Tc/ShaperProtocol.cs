using System.Runtime.InteropServices;

namespace CniIsolator.Netlink.Tc;

/// <summary>Attributes of the htb qdisc and of its classes. Source: linux/pkt_sched.h.</summary>
public enum HtbAttribute : ushort
{
    Class = 1, // TCA_HTB_PARMS
    Qdisc = 2, // TCA_HTB_INIT
    DirectQueueLength = 5, // TCA_HTB_DIRECT_QLEN
    Rate = 6, // TCA_HTB_RATE64
    Ceil = 7, // TCA_HTB_CEIL64
}

/// <summary>Attributes of fq_codel. Source: linux/pkt_sched.h.</summary>
public enum FqCodelAttribute : ushort
{
    Target = 1, // TCA_FQ_CODEL_TARGET
    Limit = 2, // TCA_FQ_CODEL_LIMIT
    Interval = 3, // TCA_FQ_CODEL_INTERVAL
    Flows = 5, // TCA_FQ_CODEL_FLOWS
}

/// <summary>How a rate counts what the link adds to a packet. Source: linux/pkt_sched.h.</summary>
public enum LinkLayer : byte
{
    Unaware = 0, // TC_LINKLAYER_UNAWARE
    Ethernet = 1, // TC_LINKLAYER_ETHERNET
}

/// <summary>struct tc_ratespec of linux/pkt_sched.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct RateSpecification
{
    public byte CellLog; // cell_log
    public LinkLayer LinkLayer; // linklayer: one that is named needs no table of times by packet size
    public ushort Overhead; // overhead, bytes added to each packet
    public short CellAlign; // cell_align
    public ushort MinimumPacket; // mpu, bytes
    public uint Rate; // rate, bytes per second; all ones where it takes more bits
}

/// <summary>struct tc_htb_opt of linux/pkt_sched.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct HtbClassParameters
{
    public RateSpecification Rate; // rate
    public RateSpecification Ceil; // ceil
    public uint Buffer; // buffer, scheduler ticks
    public uint CeilBuffer; // cbuffer, scheduler ticks
    public uint Quantum; // quantum, bytes
    public uint Level; // level, from the kernel only
    public uint Priority; // prio
}

/// <summary>struct tc_htb_glob of linux/pkt_sched.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct HtbQdiscParameters
{
    public uint Version; // version
    public uint RateToQuantum; // rate2quantum
    public uint DefaultClass; // defcls, a minor number
    public uint Debug; // debug
    public uint DirectPackets; // direct_pkts, from the kernel only
}
