using CniIsolator.Netlink.Tc;

namespace CniIsolator.DataPath;

/// <summary>Where our filters hang. Several priorities, since a priority has one protocol and kind.</summary>
public static class Hooks
{
    /// <summary>The loopback device has this index in every network namespace. Source: LOOPBACK_IFINDEX of net/flow.h.</summary>
    public const int Loopback = 1;

    // Far from the small numbers that people choose, and below the kernel's own choices, which begin at 49152.
    public const ushort GuardPriority = 28780;
    public const ushort ArpPriority = 28781;
    public const ushort InternetPriority = 28782;
    public const ushort DropPriority = 28783;

    /// <summary>What comes after all others in the master's fq_codel.</summary>
    public const ushort HostFlowPriority = 28784;

    /// <summary>Whether a priority of a host end is one of ours.</summary>
    public static bool IsOurs(ushort priority) => priority is GuardPriority or ArpPriority or InternetPriority or DropPriority;

    /// <summary>The root table of a priority, see <see cref="U32Handle.AsRequested"/>.</summary>
    public const int Root = 0;

    public static FilterAttachment Arp(int index, uint parent = TcHandle.Ingress) => new(index, parent, ArpPriority, EthernetProtocol.AddressResolution);

    /// <summary>What comes before all others, for every protocol.</summary>
    public static FilterAttachment Guard(int index) => new(index, TcHandle.Ingress, GuardPriority, EthernetProtocol.All);

    /// <summary>What comes after all others, for every protocol.</summary>
    public static FilterAttachment Drop(int index) => new(index, TcHandle.Ingress, DropPriority, EthernetProtocol.All);

    public static FilterAttachment Internet(int index, uint parent = TcHandle.Ingress) => new(index, parent, InternetPriority, EthernetProtocol.InternetProtocol);
}
