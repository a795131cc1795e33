using System.Globalization;
using System.Runtime.InteropServices;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.Tc;

/// <summary>struct tcmsg of linux/rtnetlink.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct TcHeader
{
    public AddressFamily Family; // tcm_family
    public byte Padding1; // tcm__pad1
    public ushort Padding2; // tcm__pad2
    public int Index; // tcm_ifindex
    public uint Handle; // tcm_handle
    public uint Parent; // tcm_parent
    public uint Info; // tcm_info: for filters, priority in the high half, protocol in network order in the low one
}

/// <summary>Attributes of qdiscs, classes and filters. Source: linux/rtnetlink.h.</summary>
public enum TcAttribute : ushort
{
    Kind = 1, // TCA_KIND
    Options = 2, // TCA_OPTIONS
    Statistics = 7, // TCA_STATS2
    Chain = 11, // TCA_CHAIN
    IngressBlock = 13, // TCA_INGRESS_BLOCK
}

/// <summary>Attributes of u32 filters. Source: linux/pkt_cls.h.</summary>
public enum U32Attribute : ushort
{
    ClassId = 1, // TCA_U32_CLASSID
    Hash = 2, // TCA_U32_HASH
    Link = 3, // TCA_U32_LINK
    Divisor = 4, // TCA_U32_DIVISOR
    Selector = 5, // TCA_U32_SEL
    Action = 7, // TCA_U32_ACT
}

/// <summary>Attributes of bpf filters. Source: linux/pkt_cls.h.</summary>
public enum BpfAttribute : ushort
{
    Action = 1, // TCA_BPF_ACT
    Program = 6, // TCA_BPF_FD
    Name = 7, // TCA_BPF_NAME
    Flags = 8, // TCA_BPF_FLAGS
    Tag = 10, // TCA_BPF_TAG
    Identifier = 11, // TCA_BPF_ID
}

/// <summary>Attributes of matchall filters. Source: linux/pkt_cls.h.</summary>
public enum MatchAllAttribute : ushort
{
    Action = 2, // TCA_MATCHALL_ACT
}

/// <summary>Attributes of flower filters. Source: linux/pkt_cls.h.</summary>
public enum FlowerAttribute : ushort
{
    Action = 3, // TCA_FLOWER_ACT
}

/// <summary>Flags of a u32 selector. Source: linux/pkt_cls.h.</summary>
[Flags]
public enum SelectorFlags : byte
{
    None = 0,
    Terminal = 1, // TC_U32_TERMINAL
    Offset = 2, // TC_U32_OFFSET
    VariableOffset = 4, // TC_U32_VAROFFSET
    Eat = 8, // TC_U32_EAT
}

/// <summary>struct tc_u32_sel of linux/pkt_cls.h, without the keys behind it.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct U32Selector
{
    public SelectorFlags Flags; // flags
    public byte OffsetShift; // offshift
    public byte KeyCount; // nkeys
    public byte Padding;
    public ushort OffsetMask; // offmask, network order
    public ushort Offset; // off, bytes
    public short OffsetAt; // offoff, bytes
    public short HashAt; // hoff, bytes
    public uint HashMask; // hmask, network order
}

/// <summary>struct tc_u32_key of linux/pkt_cls.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct U32SelectorKey
{
    public uint Mask; // mask, network order
    public uint Value; // val, network order
    public int At; // off, bytes
    public int OffsetMask; // offmask: -1 counts from where a link without "eat" pointed
}

/// <summary>Attributes of an action. Source: linux/pkt_cls.h.</summary>
public enum ActionAttribute : ushort
{
    Kind = 1, // TCA_ACT_KIND
    Options = 2, // TCA_ACT_OPTIONS
    Statistics = 4, // TCA_ACT_STATS
}

/// <summary>Source: linux/tc_act/tc_mirred.h.</summary>
public enum MirredAttribute : ushort
{
    Parameters = 2, // TCA_MIRRED_PARMS
}

/// <summary>What mirred does. Source: linux/tc_act/tc_mirred.h.</summary>
public enum MirredAction
{
    EgressRedirect = 1, // TCA_EGRESS_REDIR
    EgressMirror = 2, // TCA_EGRESS_MIRROR
}

/// <summary>How classification goes on after an action. Source: linux/pkt_cls.h.</summary>
public enum Verdict
{
    Continue = -1, // TC_ACT_UNSPEC: the next filter is tried
    Pass = 0, // TC_ACT_OK
    Stolen = 4, // TC_ACT_STOLEN
}

/// <summary>struct tc_mirred of linux/tc_act/tc_mirred.h; its first five members are tc_gen.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct MirredParameters
{
    public uint Index; // index of the action, 0 lets the kernel choose
    public uint Capability; // capab
    public Verdict Verdict; // action
    public int ReferenceCount; // refcnt
    public int BindCount; // bindcnt
    public MirredAction Action; // eaction
    public int Target; // ifindex; 0 where the device has gone
}

/// <summary>Handles and parents with a fixed meaning. Source: linux/pkt_sched.h.</summary>
public static class TcHandle
{
    public const uint Root = 0xffffffff; // TC_H_ROOT
    public const uint ClsactParent = 0xfffffff1; // TC_H_CLSACT = TC_H_INGRESS
    public const uint ClsactHandle = 0xffff0000; // ffff:
    public const uint Ingress = 0xfffffff2; // TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
    public const uint Egress = 0xfffffff3; // TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

    /// <summary>As tc writes it: major and minor in hexadecimal, a minor of 0 left out.</summary>
    public static string Format(uint handle) => handle == Root
        ? "root"
        : string.Create(CultureInfo.InvariantCulture, $"{handle >> 16:x}:{((ushort)handle == 0 ? "" : $"{(ushort)handle:x}")}");
}

/// <summary>Ethernet protocols that filters are made for. Source: linux/if_ether.h.</summary>
public enum EthernetProtocol : ushort
{
    All = 0x0003, // ETH_P_ALL
    InternetProtocol = 0x0800, // ETH_P_IP
    AddressResolution = 0x0806, // ETH_P_ARP
}
