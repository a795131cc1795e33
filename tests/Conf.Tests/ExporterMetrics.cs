using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;
using CniIsolator.Exporter.Formats;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Exporter.Tests;

namespace CniIsolator.Conf.Tests;

/// <summary>The metrics that the exporter has, from the exporter itself.</summary>
internal static partial class ExporterMetrics
{
    /// <summary>All that the exporter can know, each thing of some container.</summary>
    public static Sample Everything { get; } = Full();

    /// <summary>Their types, by the names that Prometheus stores.</summary>
    public static IReadOnlyDictionary<string, string> Types { get; } = Written();

    /// <summary>Their names, as Prometheus stores them.</summary>
    public static IReadOnlySet<string> Names { get; } = Types.Keys.ToHashSet();

    /// <summary>Asserts that an expression, or a text full of them, names no other metric.</summary>
    public static void AssertKnown(string place, string text)
    {
        var unknown = Name().Matches(text).Select(m => m.Value).Distinct().Where(name => !Names.Contains(name)).Order().ToList();
        Assert.True(unknown.Count == 0, $"{place} names metrics that the exporter does not have: {string.Join(", ", unknown)}");
    }

    private static Sample Full()
    {
        // What is only seen inside of containers stands in a sample of its own.
        // A ceil that is no higher than its limit is none: one direction of the sample shows that, and both are wanted here; and so is the rate that it knows too little of.
        var sample = Samples.Sample();
        var full = sample.Containers[0];
        full = full with
        {
            Attachment = full.Attachment with { Limits = full.Attachment.Limits with { Ingress = full.Attachment.Limits.Egress } },
            Rates = full.Rates! with { Percentiles = [.. full.Rates.Percentiles.Select(percentiles => percentiles ?? full.Rates.Percentiles[0])] },
        };
        return sample with { Containers = [full, .. sample.Containers.Skip(1), .. Samples.Inside().Containers.Select(AsAnother)] };
    }

    private static Dictionary<string, string> Written()
    {
        var body = new ArrayBufferWriter<byte>();
        MetricsDocument.Write(body, MetricsFormat.Prometheus, Everything, "1.2.3");
        return Type().Matches(Encoding.UTF8.GetString(body.WrittenSpan)).ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Value);
    }

    private static ContainerSample AsAnother(ContainerSample container) => container with { Attachment = container.Attachment.Of("inside") };

    [GeneratedRegex(@"^# TYPE (\S+) (\S+)$", RegexOptions.Multiline)]
    private static partial Regex Type();

    // Recorded series have a colon after the prefix.
    [GeneratedRegex(@"\bportmap_[a-z0-9_]+")]
    private static partial Regex Name();
}
