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

    /// <summary>Values at quantiles, which a label <c>quantile</c> names.</summary>
    Summary,
}

/// <summary>Writes metrics, family by family, in either text form.</summary>
internal sealed class MetricsWriter(IBufferWriter<byte> output, MetricsFormat format)
{
    // A double in full takes 24 characters, an integer 20.
    private const int LongestNumber = 32;

    private readonly bool _open = format == MetricsFormat.OpenMetrics;
    private byte[] _sample = [];
    private byte[] _header = [];

    /// <summary>Labels as they stand between the braces, to be used for many samples.</summary>
    public static byte[] Encode(params ReadOnlySpan<(string Name, string Value)> labels)
    {
        var text = new StringBuilder();
        foreach (var (name, value) in labels)
        {
            text.Append(text.Length == 0 ? "" : ",").Append(name).Append("=\"").Append(Escape(value)).Append('"');
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>Begins a family; one that has no samples then is left out.</summary>
    /// <param name="name">Without the type's suffix; ends with the unit if there is one.</param>
    /// <param name="type">What its values mean.</param>
    /// <param name="unit">A base unit such as <c>bytes</c> or <c>seconds</c>, or null.</param>
    /// <param name="help">One sentence.</param>
    public void Family(string name, MetricType type, string? unit, string help)
    {
        var sample = type switch
        {
            MetricType.Counter => name + "_total",
            MetricType.Info => name + "_info",
            _ => name,
        };

        // OpenMetrics knows families, whose samples have suffixes; the older form names the samples themselves and knows no info.
        var family = _open ? name : sample;
        var kind = type switch
        {
            MetricType.Counter => "counter",
            MetricType.Summary => "summary",
            MetricType.Info when _open => "info",
            _ => "gauge",
        };
        _sample = Encoding.UTF8.GetBytes(sample);
        _header = Encoding.UTF8.GetBytes(
            $"# HELP {family} {EscapeHelp(help)}\n# TYPE {family} {kind}\n" + (_open && unit is not null ? $"# UNIT {family} {unit}\n" : ""));
    }

    public void Sample<T>(T value, params ReadOnlySpan<(string Name, string Value)> labels)
        where T : struct, IUtf8SpanFormattable => Sample(value, Encode(labels));

    /// <param name="value">The value; a double is written so that it reads back as the same.</param>
    /// <param name="labels">From <see cref="Encode"/>.</param>
    /// <param name="more">Further labels.</param>
    public void Sample<T>(T value, byte[] labels, byte[]? more = null)
        where T : struct, IUtf8SpanFormattable
    {
        var line = Begin(labels, more, out var begun);
        value.TryFormat(line[begun..], out var written, default, CultureInfo.InvariantCulture);
        End(line, begun + written);
    }

    /// <summary>After the last family.</summary>
    public void End()
    {
        if (_open)
        {
            output.Write("# EOF\n"u8);
        }
    }

    /// <summary>Room for a whole line, filled up to its value.</summary>
    private Span<byte> Begin(byte[] labels, byte[]? more, out int length)
    {
        var line = output.GetSpan(_header.Length + _sample.Length + labels.Length + (more?.Length ?? 0) + LongestNumber + 5);
        length = 0;
        Append(line, _header, ref length);
        _header = [];
        Append(line, _sample, ref length);
        if (labels.Length > 0)
        {
            line[length++] = (byte)'{';
            Append(line, labels, ref length);
            if (more is not null)
            {
                line[length++] = (byte)',';
                Append(line, more, ref length);
            }

            line[length++] = (byte)'}';
        }

        line[length++] = (byte)' ';
        return line;
    }

    private void End(Span<byte> line, int length)
    {
        line[length++] = (byte)'\n';
        output.Advance(length);
    }

    private static void Append(Span<byte> line, byte[] text, ref int length)
    {
        text.CopyTo(line[length..]);
        length += text.Length;
    }

    private static string Escape(string text) =>
        text.AsSpan().IndexOfAny('\\', '"', '\n') < 0 ? text : text.Replace("\\", @"\\").Replace("\"", "\\\"").Replace("\n", @"\n");

    // In the older form a quote in a help text stands for itself.
    private string EscapeHelp(string text)
    {
        var escaped = text.Replace("\\", @"\\").Replace("\n", @"\n");
        return _open ? escaped.Replace("\"", "\\\"") : escaped;
    }
}
