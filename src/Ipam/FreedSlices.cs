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

    /// <exception cref="FormatException">A range is none that can be a slice.</exception>
    public static FreedSlices From(IEnumerable<PortRange> oldestFirst)
    {
        var later = new HashSet<PortRange>();
        var ranges = new List<PortRange>();
        foreach (var range in oldestFirst.Reverse())
        {
            if (!range.IsAlignedPowerOfTwo)
            {
                throw new FormatException($"{range} is not an aligned power of two");
            }

            if (!LiesInside(range, later))
            {
                later.Add(range);
                ranges.Add(range);
            }
        }

        ranges.Reverse();
        return ranges.Count == 0 ? Empty : new FreedSlices([.. ranges]);
    }

    /// <summary>Adds the slice freed last. Earlier entries inside it are dropped, which bounds the list.</summary>
    public FreedSlices Append(PortRange range) => new([.. Ranges.Where(r => !range.Contains(r)), range]);

    private static bool LiesInside(PortRange range, HashSet<PortRange> others)
    {
        for (var size = range.Count; size <= ushort.MaxValue + 1; size *= 2)
        {
            var begin = range.Begin & -size;
            if (others.Contains(new PortRange((ushort)begin, (ushort)(begin + size - 1))))
            {
                return true;
            }
        }

        return false;
    }
}
