using System.Text.Json.Serialization;

namespace CniIsolator.Ipam;

/// <summary>
/// A network as the last ADD saw it: what there is to be given out, for those who ask how many containers could still be placed. It owns
/// nothing, and outlives the network's last container.
/// </summary>
public sealed record NetworkRecord
{
    public required string Name { get; init; }

    /// <summary>/proc/sys/kernel/random/boot_id when it was noted.</summary>
    public required string BootId { get; init; }

    /// <summary>"dev:inode" of the network namespace that the plugin ran in.</summary>
    public required string HostNetns { get; init; }

    /// <summary>Ranges that containers may be given fixed ports from; may be empty.</summary>
    public required string Ports { get; init; }

    /// <summary>Ranges that slices are cut from.</summary>
    public required string EphemeralPorts { get; init; }

    /// <summary>Ports in the slice of a container that asks for no other size: a power of two, at least 16.</summary>
    public required int EphemeralPortsPerContainer { get; init; }

    /// <summary>What is wrong beyond what types can express, or null.</summary>
    internal string? FindFault() =>
        !SliceAllocator.IsValidSize(EphemeralPortsPerContainer) ? $"ephemeralPortsPerContainer {EphemeralPortsPerContainer} is not a size that a slice can have"
        : PortSet.FindNoRange(Ports) is { } ports ? $"ports has \"{ports}\", which is no range of ports"
        : PortSet.FindNoRange(EphemeralPorts) is { } pool ? $"ephemeralPorts has \"{pool}\", which is no range of ports"
        : null;
}

/// <summary>networks.json.</summary>
internal sealed record NetworksDocument
{
    public const int CurrentVersion = 1;

    [JsonRequired]
    public int Version { get; init; } = CurrentVersion;

    public required NetworkRecord[] Networks { get; init; }
}
