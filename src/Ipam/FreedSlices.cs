using System.Collections.Immutable;

namespace CniIsolator.Ipam;

/// <summary>
/// The slices given back so far, the one longest ago first. Peers may hold connections in TIME_WAIT to a slice just
/// freed, so the allocator prefers every other one. Owns nothing: losing it costs that preference only.
/// </summary>
public sealed class FreedSlices
{
    public static readonly FreedSlices Empty = new([]);

    // Slices of the least size, and those of every larger size that they may have been parts of.
    private const int Most = 2 * 65536 / 16;

    private FreedSlices(ImmutableArray<PortRange> ranges) => Ranges = ranges;

    /// <summary>Oldest first; none lies inside a later one.</summary>
    public ImmutableArray<PortRange> Ranges { get; }

    /// <exception cref="FormatException">There are more than there can be slices.</exception>
    public static FreedSlices From(IEnumerable<PortRange> oldestFirst)
    {
        var ranges = new List<PortRange>();
        foreach (var range in oldestFirst)
        {
            ranges.RemoveAll(range.Contains);
            ranges.Add(range);
            if (ranges.Count > Most)
            {
                throw new FormatException($"more than {Most} slices");
            }
        }

        return ranges.Count == 0 ? Empty : new FreedSlices([.. ranges]);
    }

    /// <summary>Adds the slice freed last. Earlier entries inside it are dropped, which bounds the list.</summary>
    public FreedSlices Append(PortRange range) => new([.. Ranges.Where(r => !range.Contains(r)), range]);
}
