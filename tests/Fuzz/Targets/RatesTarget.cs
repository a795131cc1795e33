using System.Numerics;
using System.Text;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Fuzz;

/// <summary>Amounts of bytes, compared with arithmetic that cannot overflow.</summary>
public sealed class RatesTarget : Target
{
    private static readonly string[] Units = ["", "B", "KB", "MB", "GB", "TB"];

    public override string Name => "rates";

    public override int Weight => 20;

    public override IReadOnlyList<byte[]> Seeds { get; } =
        [.. ((string[])["37500KB", "0", "18446744073709551615", "1 tb", "16777215TB", "16777216TB", " 5 gB ", "125000"]).Select(Encoding.UTF8.GetBytes)];

    public override IReadOnlyList<string> Words { get; } = ["KB", "mb", "TB", "B", "K", "KiB", "1", "000", "18446744073709551616", "+", "-", ".", "e3", "ſ", "ﬀ", "ß"];

    public override void Try(byte[] input, Random random)
    {
        var text = Encoding.UTF8.GetString(input);
        var expected = ReadSlowly(text);
        var accepted = ByteRate.TryParse(text, out var bytes);
        Promise(accepted == expected is not null && (!accepted || bytes == expected), $"\"{text}\": {(accepted ? bytes : "refused")} where {expected?.ToString() ?? "none"} was expected");
    }

    private static BigInteger? ReadSlowly(string text)
    {
        var rest = text.Trim();
        var digits = string.Concat(rest.TakeWhile(char.IsAsciiDigit));
        var power = Array.FindIndex(Units, unit => unit.Equals(rest[digits.Length..].TrimStart(), StringComparison.OrdinalIgnoreCase));
        if (digits.Length == 0 || power < 0)
        {
            return null;
        }

        var value = BigInteger.Parse(digits) * BigInteger.Pow(1024, Math.Max(0, power - 1));
        return value <= ulong.MaxValue ? value : null;
    }
}
