using System.Globalization;
using CniIsolator.Bench.Exporter;

namespace CniIsolator.Bench.Plots;

/// <summary>Draws how long a scrape takes: a line from the median to the 99th percentile for each server, on a logarithmic axis.</summary>
internal static class ScrapePlot
{
    private const int Width = 860;
    private const int Left = 330;
    private const int Right = 110;
    private const int Top = 88;
    private const int RowHeight = 26;
    private const int HeadHeight = 34;
    private const int Bottom = 92;

    public static string Draw(ExporterResult result)
    {
        string title = string.Create(CultureInfo.InvariantCulture, $"One scrape of {result.Containers} containers");
        (string Head, string Colour, (string Name, Sample Times)[] Rows)[] groups =
        [
            ("cni-portmap-exporter", "c0", [.. result.Own.Select(s => (s.Name, s.Wall))]),
            ("node_exporter, the same links", "c1", [.. result.Peers.Select(s => (s.Name.Split(": ")[1], s.Wall))]),
            ("The kernel's dumps alone", "c2", [("counters of links", result.Links), ("qdiscs of the host", result.Qdiscs), ("qdiscs in all containers", result.Inside)]),
        ];
        int rows = groups.Sum(group => group.Rows.Length);
        int height = Top + (groups.Length * HeadHeight) + (rows * RowHeight) + Bottom;
        Svg svg = new(Width, height);
        double[] steps = [.. Steps().Order()];
        double least = steps.Last(step => step <= groups.Min(group => group.Rows.Min(row => row.Times.P50)));
        double most = steps.First(step => step >= groups.Max(group => group.Rows.Max(row => row.Times.P99)));
        double X(double milliseconds) => Left + (Math.Log(milliseconds / least) / Math.Log(most / least) * (Width - Left - Right));

        svg.Text(20, 28, title, size: 17, bold: true);
        svg.Text(20, 48, "Request to the end of the answer, over a connection that stays open. Further left is better", style: "weak");
        svg.Text(Width - 20, Top - 12, "p50", Anchor.End, "weak");
        int floor = height - Bottom;
        foreach (double step in steps.Where(step => step >= least && step <= most))
        {
            bool decade = Math.Abs(Math.Log10(step) - Math.Round(Math.Log10(step))) < 1e-9;
            svg.Line(X(step), Top, X(step), floor, decade ? "line" : "grid");
            if (decade || most / least <= 1000)
            {
                svg.Text(X(step), floor + 18, Text($"{step:0.###}"), Anchor.Middle);
            }
        }

        svg.Text((Left + Width - Right) / 2.0, floor + 40, "ms (logarithmic)", Anchor.Middle);
        double y = Top;
        foreach ((string head, string colour, (string Name, Sample Times)[] members) in groups)
        {
            svg.Rectangle(0, y - 1, Width, HeadHeight - 5, "paper");
            svg.Text(20, y + HeadHeight - 13, head, bold: true);
            y += HeadHeight;
            foreach ((string name, Sample times) in members)
            {
                double middle = y + (RowHeight / 2.0) - 4;
                svg.Text(Left - 12, middle + 4, name, Anchor.End);
                svg.Line(X(times.P50), middle, X(times.P99), middle, colour, 2);
                svg.Point(X(times.P99), middle, Mark.Triangle, colour, title: Text($"{name}, p99: {times.P99:0.00} ms"));
                svg.Point(X(times.P50), middle, Mark.Circle, colour, title: Text($"{name}, p50: {times.P50:0.00} ms"));
                svg.Text(Width - 20, middle + 4, Text($"{times.P50:0.00} ms"), Anchor.End);
                y += RowHeight;
            }
        }

        svg.Point(Left, height - 22, Mark.Circle, "key");
        svg.Text(Left + 12, height - 18, "p50");
        svg.Point(Left + 70, height - 22, Mark.Triangle, "key");
        svg.Text(Left + 82, height - 18, "p99");
        return svg.Finish(title);
    }

    /// <summary>Where the axis may begin, end and have lines, from a microsecond to an hour.</summary>
    private static IEnumerable<double> Steps() =>
        from decade in Enumerable.Range(-3, 10) from part in new[] { 1, 2, 5 } select part * Math.Pow(10, decade);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
