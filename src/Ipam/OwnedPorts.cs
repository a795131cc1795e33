using System.Text.Json.Serialization;

namespace CniIsolator.Ipam;

/// <summary>The ports of one container, and those of its network that it may be given later.</summary>
public sealed record OwnedPorts
{
    /// <summary>The ephemeral ports, aligned and a power of two in size; owned for every protocol.</summary>
    [JsonPropertyName("ephemeral")]
    public required PortRange Slice { get; init; }

    /// <summary>The ports given by the framework, each owned for its protocol.</summary>
    [JsonPropertyName("fixed")]
    public required IReadOnlyList<PortClaim> Claims { get; init; }

    /// <summary>The network's fixed ports, of which the container may be given others later; null where they are not known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? NetworkPorts { get; init; }

    /// <summary>The network's ephemeral ports, which are nobody's fixed ports; null where they are not known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? NetworkPool { get; init; }

    /// <summary>What is wrong beyond what types can express, or null.</summary>
    internal string? FindFault() =>
        !Slice.IsAlignedPowerOfTwo ? $"ephemeral {Slice} is not an aligned power of two"
        : PortSet.FindNoRange(NetworkPorts) is { } ports ? $"networkPorts has \"{ports}\", which is no range of ports"
        : PortSet.FindNoRange(NetworkPool) is { } pool ? $"networkPool has \"{pool}\", which is no range of ports"
        : null;
}
