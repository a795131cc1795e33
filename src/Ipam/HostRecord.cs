using System.Text.Json.Serialization;
using CniIsolator.Linux;

namespace CniIsolator.Ipam;

/// <summary>What the plugin changed on the host for all containers together, to be undone when the last one goes.</summary>
public sealed record HostRecord
{
    public const int CurrentVersion = 1;

    [JsonRequired]
    public int Version { get; init; } = CurrentVersion;

    /// <summary>"dev:inode" of the network namespace that was changed.</summary>
    public required string HostNetns { get; init; }

    public required string Master { get; init; }

    public required int MasterIfIndex { get; init; }

    /// <summary>Whether the plugin added the qdisc on the master that its filters hang on.</summary>
    public required bool CreatedMasterQdisc { get; init; }

    /// <summary>Whether the plugin added the qdisc on the loopback interface.</summary>
    public required bool CreatedLoopbackQdisc { get; init; }

    /// <summary>
    /// Where on the master the plugin's fq_codel with a flow for each container hangs, "root" or "maj:min" as tc writes it;
    /// null while no container has a flow.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? FlowParent { get; init; }

    /// <summary>Where the kernel of this boot has what tells of a packet's checksum: finding it takes as long as a whole ADD. Null where that is not known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SocketBufferLayout? PacketLayout { get; init; }

    /// <summary>The loopback interface's address before the plugin changed it.</summary>
    public required string LoopbackMac { get; init; }

    /// <summary>Path of each changed sysctl and its previous value, in the order of the changes.</summary>
    public required OrderedDictionary<string, string> Sysctls { get; init; }

    /// <summary>Same content: the map counts by what is in it.</summary>
    public bool Equals(HostRecord? other) =>
        other is not null
        && (ReferenceEquals(this, other) || StoreFormat.Write(this).AsSpan().SequenceEqual(StoreFormat.Write(other)));

    public override int GetHashCode() => HashCode.Combine(HostNetns, Master, MasterIfIndex);

    internal string? FindFault()
    {
        if (Version != CurrentVersion)
        {
            return $"version {Version} is not known";
        }

        return Sysctls.FirstOrDefault(sysctl => sysctl.Value is null).Key is { } path ? $"sysctls has no value for {path}" : null;
    }
}
