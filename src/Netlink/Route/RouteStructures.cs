using System.Runtime.InteropServices;

namespace CniIsolator.Netlink.Route;

/// <summary>struct ifinfomsg of linux/rtnetlink.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct LinkHeader
{
    public AddressFamily Family; // ifi_family
    public byte Padding; // __ifi_pad
    public ushort HardwareType; // ifi_type
    public int Index; // ifi_index
    public LinkFlags Flags; // ifi_flags
    public LinkFlags Change; // ifi_change: the flags that the message is about
}

/// <summary>struct rtgenmsg of linux/rtnetlink.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct NamespaceIdHeader
{
    public AddressFamily Family; // rtgen_family
}

/// <summary>struct ifaddrmsg of linux/if_addr.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct AddressHeader
{
    public AddressFamily Family; // ifa_family
    public byte PrefixLength; // ifa_prefixlen
    public byte Flags; // ifa_flags
    public byte Scope; // ifa_scope
    public int Index; // ifa_index
}

/// <summary>struct rtmsg of linux/rtnetlink.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct RouteHeader
{
    public AddressFamily Family; // rtm_family
    public byte DestinationLength; // rtm_dst_len
    public byte SourceLength; // rtm_src_len
    public byte TypeOfService; // rtm_tos
    public byte Table; // rtm_table
    public byte Protocol; // rtm_protocol
    public byte Scope; // rtm_scope
    public byte Type; // rtm_type
    public uint Flags; // rtm_flags
}

/// <summary>struct ndmsg of linux/neighbour.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct NeighbourHeader
{
    public AddressFamily Family; // ndm_family
    public byte Padding1; // ndm_pad1
    public ushort Padding2; // ndm_pad2
    public int Index; // ndm_ifindex
    public NeighbourState State; // ndm_state
    public byte Flags; // ndm_flags
    public byte Type; // ndm_type
}

/// <summary>struct if_stats_msg of linux/if_link.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct StatisticsHeader
{
    public AddressFamily Family; // family
    public byte Padding1; // pad1
    public ushort Padding2; // pad2
    public int Index; // ifindex
    public uint FilterMask; // filter_mask
}

/// <summary>The begin of struct rtnl_link_stats64 of linux/if_link.h: counters since the link was made.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct LinkCounters
{
    public ulong ReceivedPackets; // rx_packets
    public ulong SentPackets; // tx_packets
    public ulong ReceivedBytes; // rx_bytes
    public ulong SentBytes; // tx_bytes
    public ulong ReceiveErrors; // rx_errors
    public ulong SendErrors; // tx_errors
    public ulong ReceiveDropped; // rx_dropped
    public ulong SendDropped; // tx_dropped
}
