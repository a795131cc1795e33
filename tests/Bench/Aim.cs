using System.Globalization;

namespace CniIsolator.Bench;

/// <summary>What this project set out to reach, beside what was measured. A missed aim is reported; it fails nothing.</summary>
internal sealed record Aim(string What, string Wanted, string Measured, bool Met)
{
    public static Aim AtMost(string what, double limit, double measured, string unit = "") =>
        new(what, $"at most {Text(limit)}{unit}", Text(measured) + unit, measured <= limit);

    public static Aim AtLeast(string what, double limit, double measured, string unit = "") =>
        new(what, $"at least {Text(limit)}{unit}", Text(measured) + unit, measured >= limit);

    public static string Text(double value) => value.ToString(value < 10 ? "0.000" : "0.0", CultureInfo.InvariantCulture);
}
