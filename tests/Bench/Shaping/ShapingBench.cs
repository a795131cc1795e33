namespace CniIsolator.Bench.Shaping;

/// <summary>What was measured of bandwidth limits.</summary>
/// <param name="Rates">On this machine's kernel.</param>
/// <param name="Rows">On the guest's.</param>
internal sealed record ShapingResult(IReadOnlyList<RateCell> Rates, IReadOnlyList<IsolationRow> Rows)
{
    /// <summary>The row of one contestant, if it was measured there.</summary>
    public IsolationRow Row(string contestant, Bottleneck bottleneck, bool other = false) =>
        Rows.Single(row => row.Contestant == contestant && row.Bottleneck == bottleneck && row.Other == other);
}

/// <summary>Measures bandwidth limits: whether they are met, and what they do to whoever is not to blame.</summary>
internal static class ShapingBench
{
    public static ShapingResult Run(Options options) => new(AchievedRate.Run(options), Guest.Run(options));
}
