using System.Collections.Immutable;
using System.Numerics;

namespace CniIsolator.Ipam;

/// <summary>
/// An immutable set of ports, kept as sorted ranges that neither overlap nor touch.
/// Ports 0 and 65535 are ordinary members.
/// </summary>
public sealed class PortSet : IEquatable<PortSet>
{
    public static readonly PortSet Empty = new([]);

    private PortSet(ImmutableArray<PortRange> ranges) => Ranges = ranges;

    /// <summary>Sorted, disjoint, not adjacent.</summary>
    public ImmutableArray<PortRange> Ranges { get; }

    public bool IsEmpty => Ranges.IsEmpty;

    /// <summary>Number of ports, 0 to 65536.</summary>
    public int Count => Ranges.Sum(r => r.Count);

    public static PortSet From(params IEnumerable<PortRange> ranges)
    {
        var merged = ImmutableArray.CreateBuilder<PortRange>();
        foreach (var range in ranges.Order())
        {
            if (merged.Count > 0 && range.Begin <= merged[^1].End + 1)
            {
                if (range.End > merged[^1].End)
                {
                    merged[^1] = new PortRange(merged[^1].Begin, range.End);
                }
            }
            else
            {
                merged.Add(range);
            }
        }

        return merged.Count == 0 ? Empty : new PortSet(merged.ToImmutable());
    }

    public static PortSet FromPorts(params IEnumerable<ushort> ports) => From(ports.Select(PortRange.Single));

    /// <summary>Reads ranges joined by commas, "31000-31999,33000". The empty string is the empty set.</summary>
    /// <exception cref="FormatException">An element is not a port range; the message contains that element.</exception>
    public static PortSet Parse(string text) =>
        string.IsNullOrWhiteSpace(text) ? Empty : From(text.Split(',').Select(PortRange.Parse));

    public bool Contains(int port) => Ranges.Any(r => r.Contains(port));

    public bool Contains(PortRange range) => Ranges.Any(r => r.Contains(range));

    public bool Overlaps(PortRange range) => Ranges.Any(r => r.Overlaps(range));

    public bool Overlaps(PortSet other) => Ranges.Any(other.Overlaps);

    public PortSet Union(PortSet other) => From(Ranges.Concat(other.Ranges));

    public PortSet Intersect(PortSet other) => From(
        from mine in Ranges
        from theirs in other.Ranges
        where mine.Overlaps(theirs)
        select new PortRange(Math.Max(mine.Begin, theirs.Begin), Math.Min(mine.End, theirs.End)));

    public PortSet Subtract(PortSet other)
    {
        var rest = new List<PortRange>();
        foreach (var mine in Ranges)
        {
            // int, because one past 65535 must be representable.
            int begin = mine.Begin;
            foreach (var theirs in other.Ranges.Where(mine.Overlaps))
            {
                if (theirs.Begin > begin)
                {
                    rest.Add(new PortRange((ushort)begin, (ushort)(theirs.Begin - 1)));
                }

                begin = Math.Max(begin, theirs.End + 1);
            }

            if (begin <= mine.End)
            {
                rest.Add(new PortRange((ushort)begin, mine.End));
            }
        }

        return From(rest);
    }

    /// <summary>
    /// The fewest aligned power-of-two ranges that cover the set exactly, lowest first: what u32 keys can express.
    /// </summary>
    public IEnumerable<PortRange> Decompose()
    {
        foreach (var range in Ranges)
        {
            int begin = range.Begin;
            while (begin <= range.End)
            {
                // The largest block that starts here: bounded by the alignment of begin and by what is left.
                var aligned = begin == 0 ? 65536 : begin & -begin;
                var left = 1 << BitOperations.Log2((uint)(range.End - begin + 1));
                var size = Math.Min(aligned, left);
                yield return new PortRange((ushort)begin, (ushort)(begin + size - 1));
                begin += size;
            }
        }
    }

    public bool Equals(PortSet? other) => other is not null && Ranges.SequenceEqual(other.Ranges);

    public override bool Equals(object? obj) => Equals(obj as PortSet);

    public override int GetHashCode() => Ranges.Aggregate(0, (hash, range) => HashCode.Combine(hash, range));

    public override string ToString() => string.Join(',', Ranges);

    /// <summary>The first element of a list of ranges that is none, or null.</summary>
    internal static string? FindNoRange(string? list) =>
        string.IsNullOrWhiteSpace(list) ? null : list.Split(',').FirstOrDefault(element => !PortRange.TryParse(element, out _));
}
