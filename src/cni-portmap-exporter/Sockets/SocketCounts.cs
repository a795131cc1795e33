using System.Globalization;

namespace CniIsolator.Exporter.Sockets;

/// <summary>Sockets that a namespace has, as the kernel counts them in /proc/net/sockstat and sockstat6 (net/ipv4/proc.c, net/ipv6/proc.c).</summary>
/// <param name="Tcp">TCP sockets of the file's address family, listeners among them; null where it does not tell.</param>
/// <param name="TimeWait">TCP connections of both families that only wait for their end; null where it does not tell, as in sockstat6.</param>
/// <param name="Udp">UDP sockets of the file's address family; null where it does not tell.</param>
internal readonly record struct SocketCounts(long? Tcp, long? TimeWait, long? Udp)
{
    /// <summary>Reads one file. A line that is not as it should be is passed over.</summary>
    /// <param name="text">Its content.</param>
    /// <param name="suffix">What names of protocols end with: nothing in sockstat, <c>6</c> in sockstat6.</param>
    public static SocketCounts Parse(ReadOnlySpan<byte> text, ReadOnlySpan<byte> suffix = default)
    {
        var counts = default(SocketCounts);
        while (!text.IsEmpty)
        {
            var end = text.IndexOf((byte)'\n');
            var line = end < 0 ? text : text[..end];
            text = end < 0 ? default : text[(end + 1)..];
            if (IsOf(line, "TCP"u8, suffix))
            {
                counts = counts with { Tcp = Find(line, " inuse "u8), TimeWait = Find(line, " tw "u8) };
            }
            else if (IsOf(line, "UDP"u8, suffix))
            {
                counts = counts with { Udp = Find(line, " inuse "u8) };
            }
        }

        return counts;
    }

    private static bool IsOf(ReadOnlySpan<byte> line, ReadOnlySpan<byte> protocol, ReadOnlySpan<byte> suffix) =>
        line.StartsWith(protocol) && line[protocol.Length..].StartsWith(suffix) && line[(protocol.Length + suffix.Length)..].StartsWith(":"u8);

    private static long? Find(ReadOnlySpan<byte> line, ReadOnlySpan<byte> name)
    {
        var at = line.IndexOf(name);
        if (at < 0)
        {
            return null;
        }

        var rest = line[(at + name.Length)..];
        var end = rest.IndexOf((byte)' ');
        return long.TryParse(end < 0 ? rest : rest[..end], NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : null;
    }
}
