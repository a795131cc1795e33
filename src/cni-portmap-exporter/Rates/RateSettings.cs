namespace CniIsolator.Exporter.Rates;

/// <summary>How rates are sampled.</summary>
/// <param name="Window">How far back percentiles look.</param>
/// <param name="Interval">Time between two looks at the counters.</param>
internal sealed record RateSettings(TimeSpan Window, TimeSpan Interval)
{
    /// <summary>With fewer, percentiles say nothing.</summary>
    public const int FewestSamples = 3;

    /// <summary>Bounds memory: a container takes 72 bytes for each.</summary>
    public const int MostSamples = 1000;

    public static readonly TimeSpan ShortestInterval = TimeSpan.FromMilliseconds(100);

    public static readonly TimeSpan LongestWindow = TimeSpan.FromDays(1);

    /// <summary>Samples that a window holds.</summary>
    public int Capacity => (int)Math.Max(FewestSamples, Window / Interval);

    /// <summary>What is wrong, or null.</summary>
    public string? FindFault() =>
        Interval < ShortestInterval ? $"--rate-interval {Interval.TotalSeconds:0.###}: at least {ShortestInterval.TotalSeconds:0.###} s"
        : Window > LongestWindow ? $"--rate-window {Window.TotalSeconds:0.###}: at most {LongestWindow.TotalSeconds:0} s"
        : Window < Interval ? $"--rate-window {Window.TotalSeconds:0.###} is shorter than --rate-interval {Interval.TotalSeconds:0.###}"
        : Window / Interval > MostSamples ? $"--rate-window {Window.TotalSeconds:0.###} holds more than {MostSamples} intervals of {Interval.TotalSeconds:0.###} s"
        : null;
}
