using System.Text.Json.Serialization;

namespace CniIsolator.Ipam;

/// <summary>A shaper's numbers.</summary>
/// <param name="Rate">Guaranteed bytes per second.</param>
/// <param name="Ceil">Bytes per second that may be borrowed up to.</param>
/// <param name="Burst">Bytes sent at once at full speed.</param>
public sealed record RateLimit(long Rate, long Ceil, long Burst);

/// <summary>What a container may send and receive in a second.</summary>
/// <param name="Egress">Limit on what the container sends; null is no limit.</param>
/// <param name="Ingress">Limit on what the container receives; null is no limit.</param>
[method: JsonConstructor]
public readonly record struct Limits(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] RateLimit? Egress = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] RateLimit? Ingress = null);
