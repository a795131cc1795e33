using System.Buffers.Text;

namespace CniIsolator.Exporter.Cgroups;

/// <summary>
/// The kernel's "flat keyed" and single-value files (Documentation/admin-guide/cgroup-v2.rst, "Format"). Whatever is not understood is passed over; a line
/// without its end was cut off, and its number with it.
/// </summary>
internal static class CgroupText
{
    /// <summary>The next "KEY VALUE" line; false at the end.</summary>
    public static bool TryReadLine(ref ReadOnlySpan<byte> text, out ReadOnlySpan<byte> key, out ulong value)
    {
        while (TryTakeLine(ref text, out var line))
        {
            var space = line.IndexOf((byte)' ');
            if (space > 0 && TryParse(line[(space + 1)..], out value))
            {
                key = line[..space];
                return true;
            }
        }

        key = default;
        value = 0;
        return false;
    }

    /// <summary>The number that is the whole file; null for "max", -1 and anything else that is no number from 0 to 2^64-1.</summary>
    public static ulong? Number(ReadOnlySpan<byte> text) => TryTakeLine(ref text, out var line) && TryParse(line, out var value) ? value : null;

    /// <summary>"QUOTA PERIOD" as a number of CPUs; null where QUOTA is "max".</summary>
    public static double? Quota(ReadOnlySpan<byte> text) =>
        TryTakeLine(ref text, out var line) && line.IndexOf((byte)' ') is > 0 and var space
        && TryParse(line[..space], out var quota) && TryParse(line[(space + 1)..], out var period)
            ? Quota(quota, period)
            : null;

    public static double? Quota(ulong? quota, ulong? period) => quota is { } part && period is { } whole and > 0 ? (double)part / whole : null;

    private static bool TryTakeLine(ref ReadOnlySpan<byte> text, out ReadOnlySpan<byte> line)
    {
        var end = text.IndexOf((byte)'\n');
        line = end < 0 ? default : text[..end];
        text = end < 0 ? default : text[(end + 1)..];
        return end >= 0;
    }

    private static bool TryParse(ReadOnlySpan<byte> text, out ulong value) =>
        Utf8Parser.TryParse(text, out value, out var consumed) && consumed == text.Length && text[0] != '+';
}
