using System.Globalization;

namespace CniIsolator.Exporter.Formats;

/// <summary>One of the two text forms of metrics.</summary>
internal sealed class MetricsFormat
{
    /// <summary>The older one, which everything understands. https://prometheus.io/docs/instrumenting/exposition_formats/</summary>
    public static readonly MetricsFormat Prometheus = new("text/plain; version=0.0.4; charset=utf-8");

    /// <summary>https://prometheus.io/docs/specs/om/open_metrics_spec/</summary>
    public static readonly MetricsFormat OpenMetrics = new("application/openmetrics-text; version=1.0.0; charset=utf-8");

    private MetricsFormat(string contentType) => ContentType = contentType;

    public string ContentType { get; }

    /// <summary>
    /// OpenMetrics where the client names it, in our version or none, and likes it as much as plain text. All else gets plain text, also
    /// who accepts neither: an answer in an unwanted form helps more than none.
    /// </summary>
    /// <param name="accept">Values of the header Accept, each a list of media ranges (RFC 9110, 12.5.1).</param>
    public static MetricsFormat Negotiate(params IEnumerable<string?> accept)
    {
        var (open, plain) = (0.0, 0.0);
        foreach (var range in accept.SelectMany(value => (value ?? "").Split(',')))
        {
            var parts = range.Split(';', StringSplitOptions.TrimEntries);
            var quality = Quality(parts);
            var version = Parameter(parts, "version");
            switch (parts[0].ToLowerInvariant())
            {
                case "application/openmetrics-text" when version is null or "1.0.0":
                    open = Math.Max(open, quality);
                    break;
                case "text/plain" when version is null or "0.0.4":
                case "text/*" or "*/*":
                    plain = Math.Max(plain, quality);
                    break;
            }
        }

        return open > 0 && open >= plain ? OpenMetrics : Prometheus;
    }

    private static double Quality(string[] parts) =>
        Parameter(parts, "q") is not { } text ? 1
        : double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var quality) && quality is >= 0 and <= 1 ? quality
        : 0;

    private static string? Parameter(string[] parts, string name)
    {
        foreach (var part in parts.AsSpan(1))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0 && part[..equals].TrimEnd().Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return part[(equals + 1)..].Trim().Trim('"');
            }
        }

        return null;
    }
}
