using System.Collections.Immutable;

namespace CniIsolator.Ipam;

/// <summary>
/// The slices given back so far, the one longest ago first. Peers may hold connections in TIME_WAIT to a slice just
/// freed, so the allocator prefers every other one. Owns nothing: losing it costs that preference only.
/// </summary>
public sealed class FreedSlices
{
    public static readonly FreedSlices Empty = new([]);

    private FreedSlices(ImmutableArray<PortRange> ranges) => Ranges = ranges;

    /// <summary>Oldest first; none lies inside a later one.</summary>
    public ImmutableArray<PortRange> Ranges { get; }

    public static FreedSlices From(IEnumerable<PortRange> oldestFirst) =>
        oldestFirst.Aggregate(Empty, (freed, range) => freed.Append(range));

    /// <summary>Adds the slice freed last. Earlier entries inside it are dropped, which bounds the list.</summary>
    public FreedSlices Append(PortRange range) => new([.. Ranges.Where(r => !range.Contains(r)), range]);
}
