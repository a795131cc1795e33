using System.Text;
using System.Text.Unicode;

namespace CniIsolator.Cni;

/// <summary>
/// Makes every string of a JSON text readable. JSON allows what no .NET string reader accepts - escapes of half a
/// surrogate pair - and files hold bytes that are no UTF-8; both become U+FFFD, as they do in the runtimes' own decoder.
/// </summary>
internal static class JsonSanitizer
{
    private const int EscapeLength = 6;

    public static byte[] Clean(ReadOnlySpan<byte> json)
    {
        // RFC 8259 section 8.1 lets a parser ignore a byte order mark, and editors write one.
        if (json.StartsWith("\uFEFF"u8))
        {
            json = json[3..];
        }

        var clean = Utf8.IsValid(json) ? json.ToArray() : Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(json));
        ReplaceLoneSurrogates(clean);
        return clean;
    }

    private static void ReplaceLoneSurrogates(Span<byte> json)
    {
        for (var i = 0; i + 1 < json.Length; i++)
        {
            if (json[i] != '\\')
            {
                continue;
            }

            if (!TryReadEscape(json[i..], out var unit))
            {
                // The character behind the backslash belongs to it, above all if it is a backslash too.
                i++;
                continue;
            }

            if (char.IsHighSurrogate(unit)
                && TryReadEscape(json[(i + EscapeLength)..], out var next)
                && char.IsLowSurrogate(next))
            {
                i += (2 * EscapeLength) - 1;
                continue;
            }

            if (char.IsSurrogate(unit))
            {
                "\\ufffd"u8.CopyTo(json[i..]);
            }

            i += EscapeLength - 1;
        }
    }

    private static bool TryReadEscape(ReadOnlySpan<byte> at, out char unit)
    {
        unit = default;
        if (at.Length < EscapeLength || at[0] != '\\' || at[1] != 'u')
        {
            return false;
        }

        var value = 0;
        foreach (var digit in at[2..EscapeLength])
        {
            if (!char.IsAsciiHexDigit((char)digit))
            {
                return false;
            }

            value = (value << 4) | (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
        }

        unit = (char)value;
        return true;
    }
}
