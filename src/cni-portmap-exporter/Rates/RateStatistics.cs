namespace CniIsolator.Exporter.Rates;

/// <summary>Percentiles of all rates of one container, by <see cref="Rate"/>; null where there are too few.</summary>
internal sealed record RateStatistics(RateSettings Settings, IReadOnlyList<Percentiles?> Percentiles)
{
    public Percentiles? this[Rate kind] => Percentiles[(int)kind];
}
