namespace CniIsolator.Exporter.Rates;

/// <summary>How a rate was distributed over a window, in units per second.</summary>
/// <param name="Min">The lowest.</param>
/// <param name="Max">The highest.</param>
/// <param name="P50">The median; the others accordingly, up to the 99.99th percentile.</param>
/// <param name="P90">90th.</param>
/// <param name="P95">95th.</param>
/// <param name="P99">99th.</param>
/// <param name="P999">99.9th.</param>
/// <param name="P9999">99.99th.</param>
/// <param name="Samples">How many rates this is computed from.</param>
internal sealed record Percentiles(double Min, double Max, double P50, double P90, double P95, double P99, double P999, double P9999, int Samples)
{
    /// <summary>Of values in any order, which are sorted on the way; null for fewer than two.</summary>
    public static Percentiles? Of(Span<double> values)
    {
        if (values.Length < 2)
        {
            return null;
        }

        values.Sort();
        return new Percentiles(
            values[0], values[^1], At(values, 0.5), At(values, 0.9), At(values, 0.95), At(values, 0.99), At(values, 0.999), At(values, 0.9999), values.Length);
    }

    /// <summary>Between the two that the position falls between, in proportion: as Mesos' agents compute them.</summary>
    private static double At(ReadOnlySpan<double> sorted, double quantile)
    {
        var position = quantile * (sorted.Length - 1);
        var below = (int)position;
        return below + 1 < sorted.Length ? double.Lerp(sorted[below], sorted[below + 1], position - below) : sorted[below];
    }
}
