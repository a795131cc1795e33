using System.Globalization;

namespace CniIsolator.Ipam;

/// <summary>A closed interval of ports. Both ends belong to it, so 0-65535 is representable.</summary>
public readonly record struct PortRange : IComparable<PortRange>
{
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="end"/> is below <paramref name="begin"/>.</exception>
    public PortRange(ushort begin, ushort end)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(end, begin);
        Begin = begin;
        End = end;
    }

    public ushort Begin { get; }

    public ushort End { get; }

    /// <summary>Number of ports, 1 to 65536.</summary>
    public int Count => End - Begin + 1;

    /// <summary>Whether one masked u32 key can match it: a power of two in size, and aligned to it.</summary>
    public bool IsAlignedPowerOfTwo => (Count & (Count - 1)) == 0 && Begin % Count == 0;

    /// <summary>The key mask of an aligned power-of-two range, for instance 0xfc00 for 1024 ports.</summary>
    public ushort Mask => (ushort)~(End - Begin);

    public static PortRange Single(ushort port) => new(port, port);

    public bool Contains(int port) => port >= Begin && port <= End;

    public bool Contains(PortRange other) => other.Begin >= Begin && other.End <= End;

    public bool Overlaps(PortRange other) => Begin <= other.End && other.Begin <= End;

    public int CompareTo(PortRange other) => Begin != other.Begin ? Begin.CompareTo(other.Begin) : End.CompareTo(other.End);

    public static bool operator <(PortRange left, PortRange right) => left.CompareTo(right) < 0;

    public static bool operator >(PortRange left, PortRange right) => left.CompareTo(right) > 0;

    public static bool operator <=(PortRange left, PortRange right) => left.CompareTo(right) <= 0;

    public static bool operator >=(PortRange left, PortRange right) => left.CompareTo(right) >= 0;

    /// <summary>Reads "31005" or "31000-32000"; white space around numbers is allowed, signs and leading "+" are not.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out PortRange range)
    {
        range = default;
        var dash = text.IndexOf('-');
        var first = dash < 0 ? text : text[..dash];
        if (!TryParsePort(first, out var begin))
        {
            return false;
        }

        var end = begin;
        if (dash >= 0 && !TryParsePort(text[(dash + 1)..], out end))
        {
            return false;
        }

        if (end < begin)
        {
            return false;
        }

        range = new PortRange(begin, end);
        return true;
    }

    /// <exception cref="FormatException">The text is not a port range; the message contains the text.</exception>
    public static PortRange Parse(string text) =>
        TryParse(text, out var range) ? range : throw new FormatException($"not a port range: \"{text}\"");

    public override string ToString() =>
        Begin == End
            ? Begin.ToString(CultureInfo.InvariantCulture)
            : string.Create(CultureInfo.InvariantCulture, $"{Begin}-{End}");

    private static bool TryParsePort(ReadOnlySpan<char> text, out ushort port)
    {
        var digits = text.Trim();
        port = 0;

        // .NET overlooks NULs behind a number.
        return !digits.Contains('\0') && ushort.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out port);
    }
}
