using System.Text.Json.Serialization;

namespace CniIsolator.Ipam;

/// <summary>How far an attachment has come. A record is written before the kernel is touched.</summary>
public enum AttachmentState
{
    /// <summary>Ports are reserved; the kernel objects may be there or not.</summary>
    Creating,

    /// <summary>Everything is set up.</summary>
    Ready,

    /// <summary>Being taken down; the kernel objects may be there or not.</summary>
    Deleting,
}

/// <summary>May the container reach what listens on the host's 127.0.0.1.</summary>
public enum HostLoopback
{
    Allow,
    Deny,
}

/// <summary>
/// One container interface and what it owns: the record that the store keeps, one JSON document per file.
/// Ports belong to a container from the moment that its record is written until the record is removed.
/// </summary>
public sealed record Attachment
{
    /// <summary>The format that this program writes; a record of any other is not understood.</summary>
    public const int CurrentVersion = 2;

    [JsonRequired]
    public int Version { get; init; } = CurrentVersion;

    /// <summary>What CNI identifies it by.</summary>
    public required AttachmentKey Key { get; init; }

    /// <summary>Name of the host end, derived from the key.</summary>
    public string HostInterface => Key.HostInterface;

    public required AttachmentState State { get; init; }

    /// <summary>The container's network namespace.</summary>
    public required NamespaceReference Namespace { get; init; }

    /// <summary>The boot and the host's network namespace that it was made on.</summary>
    public required HostReference MadeOn { get; init; }

    /// <summary>How the kernel knows its interfaces and filters.</summary>
    public required KernelNumbers Numbers { get; init; }

    /// <summary>What it has taken over from the host.</summary>
    public required HostValues Host { get; init; }

    /// <summary>The ports that it owns, but for those of a change that has begun: see <see cref="OwnedClaims"/>.</summary>
    public required OwnedPorts Ports { get; init; }

    /// <summary>Limits on what it sends and receives.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public Limits Limits { get; init; }

    /// <summary>What turned out of the kernel that it was made on.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public KernelFeatures Features { get; init; }

    public required HostLoopback HostLoopback { get; init; }

    /// <summary>The CNI_ARGS that are kept, in the order in which they came.</summary>
    public required OrderedDictionary<string, string> Args { get; init; }

    /// <summary>The container's cgroup as the runtime told it, see <see cref="Ipam.CgroupPath"/>; null where it told none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? CgroupPath { get; init; }

    public required DateTimeOffset Created { get; init; }

    /// <summary>When ports or limits were last changed; null where they are those that the runtime asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? Changed { get; init; }

    /// <summary>The container's namespace before the ADD; null where that is not known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ContainerBefore? Before { get; init; }

    /// <summary>A change that has begun; null where there is none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public AttachmentChange? Change { get; init; }

    /// <summary>
    /// Process that makes the attachment, changes it or takes it down; of no meaning once the record is ready and no change has begun.
    /// </summary>
    public required ProcessIdentity Process { get; init; }

    /// <summary>Whether the record was put together from what the kernel had, after the original was lost.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Rebuilt { get; init; }

    /// <summary>All fixed ports that are the container's, those of a change that has begun among them.</summary>
    [JsonIgnore]
    public IReadOnlyList<PortClaim> OwnedClaims => Change is null ? Ports.Claims : [.. Ports.Claims, .. Change.Claims.Except(Ports.Claims)];

    /// <summary>Same content: the lists and the maps count by what is in them.</summary>
    public bool Equals(Attachment? other) =>
        other is not null
        && (ReferenceEquals(this, other) || StoreFormat.Write(this).AsSpan().SequenceEqual(StoreFormat.Write(other)));

    public override int GetHashCode() => Key.GetHashCode();

    /// <summary>What is wrong beyond what types can express, or null.</summary>
    internal string? FindFault()
    {
        if (Version != CurrentVersion)
        {
            return $"version {Version} is not known";
        }

        if (CgroupPath is not null && Ipam.CgroupPath.FindFault(CgroupPath) is { } cgroup)
        {
            return $"cgroupPath {cgroup}";
        }

        // Not even RespectNullableAnnotations looks into a map.
        if (Args.FirstOrDefault(arg => arg.Value is null).Key is { } name)
        {
            return $"args has no value for {name}";
        }

        return Of("numbers", Numbers.FindFault())
            ?? Of("host", Host.FindFault())
            ?? Of("ports", Ports.FindFault())
            ?? Of("before", Before?.FindFault())
            ?? Of("change.host", Change?.Host?.FindFault());
    }

    private static string? Of(string part, string? fault) => fault is null ? null : $"{part}: {fault}";
}
