using CniIsolator.DataPath;
using CniIsolator.Ipam;

namespace CniIsolator.Lifecycle;

/// <summary>What an attachment is to be, as runtime and network configuration say.</summary>
public sealed record AttachRequest
{
    public required AttachmentKey Key { get; init; }

    /// <summary>Path of the container's network namespace.</summary>
    public required string Netns { get; init; }

    /// <summary>Fixed ports that it is to have.</summary>
    public required IReadOnlyList<PortClaim> Claims { get; init; }

    /// <summary>Ranges that the network gives fixed ports from.</summary>
    public required PortSet Ports { get; init; }

    /// <summary>Ranges that the network cuts slices from.</summary>
    public required PortSet EphemeralPorts { get; init; }

    /// <summary>Ports in this container's slice: a power of two, at least 16.</summary>
    public required int SliceSize { get; init; }

    /// <summary>Ports in the slice of a container of the network that asks for no other size.</summary>
    public required int UsualSliceSize { get; init; }

    /// <summary>Where on the master containers have a queue each; null where they have none.</summary>
    public required FlowClassifierParent? Flows { get; init; }

    public required Limits Limits { get; init; }

    public required HostLoopback HostLoopback { get; init; }

    /// <summary>The container's cgroup; null where nobody told it.</summary>
    public required string? CgroupPath { get; init; }

    /// <summary>The CNI_ARGS that are kept.</summary>
    public required OrderedDictionary<string, string> Args { get; init; }
}
