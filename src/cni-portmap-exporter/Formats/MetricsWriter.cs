using System.Buffers;
using System.Globalization;
using System.Text;

namespace CniIsolator.Exporter.Formats;

/// <summary>What a metric's values mean.</summary>
internal enum MetricType
{
    /// <summary>Only ever grows; the sample's name ends in <c>_total</c>.</summary>
    Counter,

    Gauge,

    /// <summary>Always 1, its labels are what it says; the sample's name ends in <c>_info</c>.</summary>
    Info,

    /// <summary>A distribution, of which each sample with the label <c>quantile</c> tells a quantile.</summary>
    Summary,
}

/// <summary>Writes metrics, family by family, in either text form.</summary>
internal sealed class MetricsWriter(IBufferWriter<byte> output, MetricsFormat format)
{
    private readonly bool _open = format == MetricsFormat.OpenMetrics;
    private string _sample = "";
    private string _header = "";

    /// <summary>Begins a family; one that has no samples then is left out.</summary>
    /// <param name="name">Without the type's suffix; ends with the unit if there is one.</param>
    /// <param name="type">What its values mean.</param>
    /// <param name="unit">A base unit such as <c>bytes</c> or <c>seconds</c>, or null.</param>
    /// <param name="help">One sentence.</param>
    public void Family(string name, MetricType type, string? unit, string help)
    {
        _sample = type switch
        {
            MetricType.Counter => name + "_total",
            MetricType.Info => name + "_info",
            _ => name,
        };

        // OpenMetrics knows families, whose samples have suffixes; the older form names the samples themselves and knows no info.
        var family = _open ? name : _sample;
        var kind = type switch
        {
            MetricType.Counter => "counter",
            MetricType.Info when _open => "info",
            MetricType.Summary => "summary",
            _ => "gauge",
        };
        _header = $"# HELP {family} {EscapeHelp(help)}\n# TYPE {family} {kind}\n" + (_open && unit is not null ? $"# UNIT {family} {unit}\n" : "");
    }

    public void Sample(ulong value, params ReadOnlySpan<(string Name, string Value)> labels) =>
        Line(value.ToString(CultureInfo.InvariantCulture), labels);

    public void Sample(long value, params ReadOnlySpan<(string Name, string Value)> labels) =>
        Line(value.ToString(CultureInfo.InvariantCulture), labels);

    public void Sample(double value, params ReadOnlySpan<(string Name, string Value)> labels) =>
        Line(value.ToString("R", CultureInfo.InvariantCulture), labels);

    /// <summary>After the last family.</summary>
    public void End()
    {
        if (_open)
        {
            Text("# EOF\n");
        }
    }

    private void Line(string value, ReadOnlySpan<(string Name, string Value)> labels)
    {
        Text(_header);
        _header = "";
        Text(_sample);
        for (var i = 0; i < labels.Length; i++)
        {
            Text(i == 0 ? "{" : ",");
            Text($"{labels[i].Name}=\"{EscapeLabel(labels[i].Value)}\"");
        }

        Text(labels.Length == 0 ? " " : "} ");
        Text(value);
        Text("\n");
    }

    private static string EscapeLabel(string text) =>
        text.AsSpan().IndexOfAny('\\', '"', '\n') < 0 ? text : text.Replace("\\", @"\\").Replace("\"", "\\\"").Replace("\n", @"\n");

    // In the older form a quote in a help text stands for itself.
    private string EscapeHelp(string text)
    {
        var escaped = text.Replace("\\", @"\\").Replace("\n", @"\n");
        return _open ? escaped.Replace("\"", "\\\"") : escaped;
    }

    private void Text(string text) => Encoding.UTF8.GetBytes(text, output);
}
