using System.Text.Json.Serialization;

namespace CniIsolator.Ipam;

/// <summary>What a container's namespace was like before the ADD, to be put back by DEL.</summary>
public sealed record ContainerBefore
{
    /// <summary>Path below /proc/sys of each sysctl that ADD changes, and its value before.</summary>
    public required OrderedDictionary<string, string> Sysctls { get; init; }

    /// <summary>Whether lo had a qdisc for filters, clsact or ingress.</summary>
    public required bool HasFilterQdisc { get; init; }

    /// <summary>The MAC of lo; null where it was all zeros.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? LoopbackMac { get; init; }

    /// <summary>The MTU of lo, bytes, 0 to 4294967295.</summary>
    public required long LoopbackMtu { get; init; }

    /// <summary>Whether lo was up.</summary>
    public required bool IsLoopbackUp { get; init; }

    /// <summary>Whether there was an IPv4 default route already.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool HasDefaultRoute { get; init; }

    /// <summary>Whether there were other interfaces than lo already.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool HasOthers { get; init; }

    /// <summary>What is wrong beyond what types can express, or null.</summary>
    internal string? FindFault() =>
        LoopbackMac is not null && !HostValues.IsMac(LoopbackMac) ? $"loopbackMac \"{LoopbackMac}\" is not an Ethernet address"
        : LoopbackMtu is < 0 or > uint.MaxValue ? $"loopbackMtu {LoopbackMtu} is outside 0-{uint.MaxValue}"
        // Not even RespectNullableAnnotations looks into a map.
        : Sysctls.FirstOrDefault(sysctl => sysctl.Value is null).Key is { } path ? $"sysctls has no value for {path}"
        : null;
}
