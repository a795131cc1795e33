using System.Text.Json.Serialization;

namespace CniIsolator.Ipam;

/// <summary>
/// A change of a live attachment that has begun: until it is committed or taken back, the container owns the ports of both sides of it,
/// and the kernel may have either or both.
/// </summary>
/// <param name="Claims">The fixed ports that it is to have.</param>
/// <param name="Limits">The limits that it is to have.</param>
public sealed record AttachmentChange(IReadOnlyList<PortClaim> Claims, Limits Limits)
{
    /// <summary>Of a repair: the host as the container is to follow it; null for an update, which leaves that.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public HostValues? Host { get; init; }
}
