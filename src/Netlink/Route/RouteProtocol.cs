namespace CniIsolator.Netlink.Route;

/// <summary>rtnetlink message types. Source: linux/rtnetlink.h.</summary>
public enum RouteMessage : ushort
{
    NewLink = 16, // RTM_NEWLINK
    DeleteLink = 17, // RTM_DELLINK
    GetLink = 18, // RTM_GETLINK
    SetLink = 19, // RTM_SETLINK
    NewAddress = 20, // RTM_NEWADDR
    DeleteAddress = 21, // RTM_DELADDR
    GetAddress = 22, // RTM_GETADDR
    NewRoute = 24, // RTM_NEWROUTE
    DeleteRoute = 25, // RTM_DELROUTE
    GetRoute = 26, // RTM_GETROUTE
    NewNeighbour = 28, // RTM_NEWNEIGH
    GetNeighbour = 30, // RTM_GETNEIGH
    NewQdisc = 36, // RTM_NEWQDISC
    DeleteQdisc = 37, // RTM_DELQDISC
    GetQdisc = 38, // RTM_GETQDISC
    NewClass = 40, // RTM_NEWTCLASS
    DeleteClass = 41, // RTM_DELTCLASS
    GetClass = 42, // RTM_GETTCLASS
    NewFilter = 44, // RTM_NEWTFILTER
    DeleteFilter = 45, // RTM_DELTFILTER
    GetFilter = 46, // RTM_GETTFILTER
    GetNamespaceId = 90, // RTM_GETNSID
    NewStatistics = 92, // RTM_NEWSTATS
    GetStatistics = 94, // RTM_GETSTATS
}

/// <summary>Source: linux/socket.h.</summary>
public enum AddressFamily : byte
{
    Unspecified = 0, // AF_UNSPEC
    InterNetwork = 2, // AF_INET
    InterNetworkV6 = 10, // AF_INET6
}

/// <summary>Source: enum net_device_flags of linux/if.h.</summary>
[Flags]
public enum LinkFlags : uint
{
    None = 0,
    Up = 0x1, // IFF_UP
    Loopback = 0x8, // IFF_LOOPBACK
    Running = 0x40, // IFF_RUNNING
    LowerUp = 0x10000, // IFF_LOWER_UP
}

/// <summary>Source: linux/net_namespace.h.</summary>
public enum NamespaceIdAttribute : ushort
{
    Id = 1, // NETNSA_NSID
    Descriptor = 3, // NETNSA_FD
}

/// <summary>Source: linux/if_link.h.</summary>
public enum LinkAttribute : ushort
{
    Address = 1, // IFLA_ADDRESS
    Name = 3, // IFLA_IFNAME
    Mtu = 4, // IFLA_MTU
    Link = 5, // IFLA_LINK
    LinkInfo = 18, // IFLA_LINKINFO
    Alias = 20, // IFLA_IFALIAS
    AddressFamilySpecific = 26, // IFLA_AF_SPEC
    Group = 27, // IFLA_GROUP
    NamespaceDescriptor = 28, // IFLA_NET_NS_FD
    ExtensionMask = 29, // IFLA_EXT_MASK
    LinkNamespaceId = 37, // IFLA_LINK_NETNSID
}

/// <summary>Source: linux/if_link.h.</summary>
public enum LinkInfoAttribute : ushort
{
    Kind = 1, // IFLA_INFO_KIND
    Data = 2, // IFLA_INFO_DATA
}

/// <summary>Source: linux/veth.h.</summary>
public enum VethAttribute : ushort
{
    Peer = 1, // VETH_INFO_PEER
}

/// <summary>Attributes below IFLA_AF_SPEC of AF_INET6. Source: linux/if_link.h.</summary>
public enum Inet6LinkAttribute : ushort
{
    AddressGenerationMode = 8, // IFLA_INET6_ADDR_GEN_MODE
}

/// <summary>Source: linux/if_addr.h.</summary>
public enum AddressAttribute : ushort
{
    Address = 1, // IFA_ADDRESS
    Local = 2, // IFA_LOCAL
    Label = 3, // IFA_LABEL
    Broadcast = 4, // IFA_BROADCAST
    Flags = 8, // IFA_FLAGS
}

/// <summary>Source: linux/rtnetlink.h.</summary>
public enum RouteAttribute : ushort
{
    Destination = 1, // RTA_DST
    OutputInterface = 4, // RTA_OIF
    Gateway = 5, // RTA_GATEWAY
    Priority = 6, // RTA_PRIORITY
    PreferredSource = 7, // RTA_PREFSRC
    Table = 15, // RTA_TABLE
    Multipath = 9, // RTA_MULTIPATH
}

/// <summary>Source: linux/neighbour.h.</summary>
public enum NeighbourAttribute : ushort
{
    Destination = 1, // NDA_DST
    LinkLayerAddress = 2, // NDA_LLADDR
}

/// <summary>Source: linux/neighbour.h.</summary>
[Flags]
public enum NeighbourState : ushort
{
    Reachable = 0x02, // NUD_REACHABLE
    Stale = 0x04, // NUD_STALE
    Delay = 0x08, // NUD_DELAY
    Probe = 0x10, // NUD_PROBE
    Permanent = 0x80, // NUD_PERMANENT
}

/// <summary>Source: linux/if_link.h.</summary>
public enum StatisticsAttribute : ushort
{
    Link64 = 1, // IFLA_STATS_LINK_64
}
