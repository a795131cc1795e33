using System.Net;
using System.Net.Sockets;
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

/// <summary>A shaper's numbers.</summary>
/// <param name="Rate">Guaranteed bytes per second.</param>
/// <param name="Ceil">Bytes per second that may be borrowed up to.</param>
/// <param name="Burst">Bytes sent at once at full speed.</param>
public sealed record RateLimit(long Rate, long Ceil, long Burst);

/// <summary>
/// A change of a live attachment that has begun: until it is committed or taken back, the container owns the ports of both sides of it,
/// and the kernel may have either or both.
/// </summary>
/// <param name="Claims">The fixed ports that it is to have.</param>
/// <param name="Egress">The limit that it is to have.</param>
/// <param name="Ingress">The limit that it is to have.</param>
public sealed record AttachmentChange(IReadOnlyList<PortClaim> Claims, RateLimit? Egress, RateLimit? Ingress)
{
    /// <summary>Of a repair: the host as the container is to follow it; null for an update, which leaves that.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public HostValues? Host { get; init; }
}

/// <summary>What a container takes over from the host.</summary>
/// <param name="MasterIfIndex">Index of the interface whose address is shared.</param>
/// <param name="Mac">Its MAC.</param>
/// <param name="Mtu">Its MTU, bytes.</param>
/// <param name="Address">Its IPv4 address.</param>
/// <param name="PrefixLength">0 to 32.</param>
/// <param name="Gateway">Next hop of the default route, if there is one.</param>
public sealed record HostValues(int MasterIfIndex, string Mac, int Mtu, string Address, int PrefixLength, string? Gateway);

/// <summary>
/// One container interface and what it owns: the record that the store keeps, one JSON document per file.
/// Ports belong to a container from the moment that its record is written until the record is removed.
/// </summary>
public sealed record Attachment
{
    /// <summary>The format that this program writes; a record of a later one is not understood.</summary>
    public const int CurrentVersion = 1;

    [JsonRequired]
    public int Version { get; init; } = CurrentVersion;

    public required string Network { get; init; }

    public required string ContainerId { get; init; }

    /// <summary>Interface name inside the container.</summary>
    public required string IfName { get; init; }

    /// <summary>Path of the container's network namespace as the runtime gave it.</summary>
    public required string Netns { get; init; }

    /// <summary>st_dev of the container's namespace.</summary>
    public required ulong NetnsDevice { get; init; }

    /// <summary>st_ino of the container's namespace; only together with the boot id does it identify one.</summary>
    public required ulong NetnsInode { get; init; }

    /// <summary>/proc/sys/kernel/random/boot_id when the record was made.</summary>
    public required string BootId { get; init; }

    /// <summary>"dev:inode" of the network namespace that the plugin ran in.</summary>
    public required string HostNetns { get; init; }

    /// <summary>Name of the host end, derived from the key.</summary>
    public string HostInterface => Key.HostInterface;

    /// <summary>Index of the host end; 0 while it is not known.</summary>
    public required int IfIndex { get; init; }

    /// <summary>Index of the container's end inside its namespace; 0 while it is not known.</summary>
    public required int ContainerIfIndex { get; init; }

    /// <summary>1 to 4095, unique among the records: kernel handles are derived from it.</summary>
    public required int Slot { get; init; }

    public required AttachmentState State { get; init; }

    /// <summary>Host interface whose address is shared.</summary>
    public required string Master { get; init; }

    public required int MasterIfIndex { get; init; }

    public required string Mac { get; init; }

    /// <summary>Bytes.</summary>
    public required int Mtu { get; init; }

    /// <summary>The host's IPv4 address.</summary>
    public required string Address { get; init; }

    /// <summary>0 to 32.</summary>
    public required int PrefixLength { get; init; }

    public required string? Gateway { get; init; }

    /// <summary>The ephemeral ports, aligned and a power of two in size; owned for every protocol.</summary>
    [JsonPropertyName("ephemeralPorts")]
    public required PortRange Slice { get; init; }

    /// <summary>The ports given by the framework, each owned for its protocol.</summary>
    [JsonPropertyName("ports")]
    public required IReadOnlyList<PortClaim> Claims { get; init; }

    /// <summary>Limit on what the container sends; null is no limit.</summary>
    public required RateLimit? Egress { get; init; }

    /// <summary>Limit on what the container receives; null is no limit.</summary>
    public required RateLimit? Ingress { get; init; }

    /// <summary>
    /// Whether the kernel has no fq_codel, so that what waits behind a limit waits in the plain queue that htb brings.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool PlainQueue { get; init; }

    /// <summary>Its flow on the master, 3 to 1023, unique among the records; 0 is none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int Flow { get; init; }

    public required HostLoopback HostLoopback { get; init; }

    /// <summary>
    /// Whether a last filter drops what no other lets the container send; else the host's stack is left to do it.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool DropsUnmatched { get; init; }

    /// <summary>
    /// Whether a first filter drops what would leave the machine with another port or address than the filters have seen.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool GuardsChecksums { get; init; }

    /// <summary>
    /// Whether that filter lets pass only packets whose checksums are filled in, so that the container's interface leaves none to others: of a kernel that does
    /// not tell where they are filled in. False in a record that was rebuilt, as it stands inside the container.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool FinishesChecksums { get; init; }

    /// <summary>The CNI_ARGS that are kept, in the order in which they came.</summary>
    public required OrderedDictionary<string, string> Args { get; init; }

    public required DateTimeOffset Created { get; init; }

    /// <summary>The network's fixed ports, of which the container may be given others later; null where they are not known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? NetworkPorts { get; init; }

    /// <summary>The network's ephemeral ports, which are nobody's fixed ports; null where they are not known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? NetworkPool { get; init; }

    /// <summary>The container's cgroup as the runtime told it, see <see cref="Ipam.CgroupPath"/>; null where it told none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? CgroupPath { get; init; }

    /// <summary>
    /// 0 or 1: which of two ranges of handles the container's own filters have. A change makes the new ones in the other
    /// range before it removes the old ones.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int Generation { get; init; }

    /// <summary>When ports or limits were last changed; null where they are those that the runtime asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? Changed { get; init; }

    /// <summary>A change that has begun; null where there is none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public AttachmentChange? Change { get; init; }

    /// <summary>
    /// Process that makes the attachment, changes it or takes it down; of no meaning once the record is ready and no change has begun.
    /// </summary>
    public required int CreatorPid { get; init; }

    /// <summary>Clock ticks between boot and that process's start: process ids are reused.</summary>
    public required ulong CreatorStartTime { get; init; }

    /// <summary>Whether the record was put together from what the kernel had, after the original was lost.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Rebuilt { get; init; }

    [JsonIgnore]
    public AttachmentKey Key => new(Network, ContainerId, IfName);

    /// <summary>All fixed ports that are the container's, those of a change that has begun among them.</summary>
    [JsonIgnore]
    public IReadOnlyList<PortClaim> OwnedClaims => Change is null ? Claims : [.. Claims, .. Change.Claims.Except(Claims)];

    /// <summary>What it has taken over from the host.</summary>
    [JsonIgnore]
    public HostValues Host => new(MasterIfIndex, Mac, Mtu, Address, PrefixLength, Gateway);

    [JsonIgnore]
    public ProcessIdentity Creator => new(CreatorPid, CreatorStartTime);

    /// <summary>Same content: the lists and the map count by what is in them.</summary>
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

        if (!Slice.IsAlignedPowerOfTwo)
        {
            return $"ephemeralPorts {Slice} is not an aligned power of two";
        }

        if (Slot is < AttachmentSlot.First or > AttachmentSlot.Last)
        {
            return $"slot {Slot} is outside {AttachmentSlot.First}-{AttachmentSlot.Last}";
        }

        if (PrefixLength is < 0 or > 32)
        {
            return $"prefixLength {PrefixLength} is outside 0-32";
        }

        if (IfIndex < 0 || ContainerIfIndex < 0 || MasterIfIndex <= 0)
        {
            return $"an index of {HostInterface}, {IfName} or {Master} is negative: {IfIndex}, {ContainerIfIndex}, {MasterIfIndex}";
        }

        if (!IsMac(Mac))
        {
            return $"mac \"{Mac}\" is not an Ethernet address";
        }

        if (!IsIPv4(Address) || (Gateway is not null && !IsIPv4(Gateway)))
        {
            return $"address \"{Address}\" or gateway \"{Gateway}\" is not an IPv4 address";
        }

        if (Flow is not 0 and (< FlowNumber.First or > FlowNumber.Last))
        {
            return $"flow {Flow} is outside {FlowNumber.First}-{FlowNumber.Last}";
        }

        if (Generation is not (0 or 1))
        {
            return $"generation {Generation} is neither 0 nor 1";
        }

        if (PortSet.FindNoRange(NetworkPorts) is { } ports)
        {
            return $"networkPorts has \"{ports}\", which is no range of ports";
        }

        if (PortSet.FindNoRange(NetworkPool) is { } pool)
        {
            return $"networkPool has \"{pool}\", which is no range of ports";
        }

        if (CgroupPath is not null && Ipam.CgroupPath.FindFault(CgroupPath) is { } fault)
        {
            return $"cgroupPath {fault}";
        }

        // Not even RespectNullableAnnotations looks into a map.
        return Args.FirstOrDefault(arg => arg.Value is null).Key is { } name ? $"args has no value for {name}" : null;
    }

    private static bool IsMac(string text) =>
        text.Length == 17 && Enumerable.Range(0, text.Length).All(i => i % 3 == 2 ? text[i] == ':' : char.IsAsciiHexDigit(text[i]));

    // The round trip refuses "1" and "127.1", which are addresses to .NET.
    private static bool IsIPv4(string text) => IPAddress.TryParse(text, out var address) && address.AddressFamily == AddressFamily.InterNetwork && address.ToString() == text;
}
