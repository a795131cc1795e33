using System.Globalization;
using System.Text.Json;
using CniIsolator.Cni;

namespace CniIsolator.Plugin.Configuration;

/// <summary>
/// Amounts of bytes, and rates in bytes per second, as Mesos writes them: "37500KB" with B, KB, MB, GB or TB, where 1 KB
/// is 1024 B; or a bare number of bytes. No fractions, no signs, at most 2^64-1.
/// </summary>
public static class ByteRate
{
    /// <summary>Reads the text form. The unit may be missing (bytes), in any case, and set off by spaces.</summary>
    public static bool TryParse(string text, out ulong bytes)
    {
        bytes = 0;
        var trimmed = text.AsSpan().Trim();
        var digits = trimmed.IndexOfAnyExceptInRange('0', '9');
        var number = digits < 0 ? trimmed : trimmed[..digits];
        var unit = digits < 0 ? [] : trimmed[digits..].TrimStart();
        if (!ulong.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            || ShiftOf(unit) is not { } shift
            || count > ulong.MaxValue >> shift)
        {
            return false;
        }

        bytes = count << shift;
        return true;
    }

    /// <summary>Reads a configuration value; null where it is absent.</summary>
    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>, with key and value.</exception>
    internal static ulong? Read(ConfigValue value)
    {
        if (!value.IsPresent)
        {
            return null;
        }

        switch (value.Element.ValueKind)
        {
            case JsonValueKind.Number:
                return value.AsInteger(0, ulong.MaxValue);
            case JsonValueKind.String when TryParse(value.AsString()!, out var bytes):
                return bytes;
            default:
                throw value.Invalid(
                    "is no amount of bytes", "a whole number below 2^64 of bytes, or with a unit: B, KB, MB, GB, TB (1 KB = 1024 B)");
        }
    }

    private static int? ShiftOf(ReadOnlySpan<char> unit)
    {
        Span<char> upper = stackalloc char[2];
        return unit.Length > 2 || unit.ToUpperInvariant(upper) < 0 ? null : upper[..unit.Length] switch
        {
            "" or "B" => 0,
            "KB" => 10,
            "MB" => 20,
            "GB" => 30,
            "TB" => 40,
            _ => null,
        };
    }
}
