using System.Globalization;
using CniIsolator.Bench.Shaping;

namespace CniIsolator.Bench.Plots;

/// <summary>Draws the round trips of thin flows beside bulk flows: a line for each contestant, on a logarithmic axis.</summary>
internal static class RoundTripPlot
{
    private const int Width = 860;
    private const int Left = 290;
    private const int Right = 90;
    private const int Top = 88;
    private const int RowHeight = 26;
    private const int HeadHeight = 34;
    private const int Bottom = 92;

    private static readonly (Bottleneck Bottleneck, bool Other, string Head)[] Groups =
    [
        (Bottleneck.Egress, false, $"Same container, queue at its egress limit of {Isolation.Megabits} Mbit/s"),
        (Bottleneck.Ingress, false, $"Same container, queue at its ingress limit of {Isolation.Megabits} Mbit/s"),
        (Bottleneck.Master, true, $"Another container, queue at the master's {Isolation.MasterMegabits} Mbit/s"),
        (Bottleneck.Master, false, $"Same container, queue at the master's {Isolation.MasterMegabits} Mbit/s"),
    ];

    private static readonly (string Name, Mark Mark, double Percent)[] Marks =
        [("max", Mark.Bar, 100), ("p99", Mark.Triangle, 99), ("p90", Mark.Square, 90), ("p50", Mark.Circle, 50)];

    public static string Draw(IReadOnlyList<IsolationRow> rows)
    {
        string title = $"Round trips of a thin flow beside {Isolation.BulkCount} bulk flows";
        int height = Top + (Groups.Length * HeadHeight) + (rows.Count * RowHeight) + Bottom;
        Svg svg = new(Width, height);
        double[] steps = [.. Steps().Order()];
        double least = steps.Last(step => step <= rows.Min(r => r.Percentile(50)));
        double most = steps.First(step => step >= rows.Max(r => r.Max));
        double X(double milliseconds) => Left + (Math.Log(milliseconds / least) / Math.Log(most / least) * (Width - Left - Right));

        svg.Text(20, 28, title, size: 17, bold: true);
        svg.Text(20, 48, "UDP, 64 bytes there and back; the bulk flows are TCP. Further left is better", style: "weak");
        svg.Text(Width - 20, Top - 12, "p99", Anchor.End, "weak");
        int floor = height - Bottom;
        foreach (double step in steps.Where(step => step >= least && step <= most))
        {
            bool decade = Math.Abs(Math.Log10(step) - Math.Round(Math.Log10(step))) < 1e-9;
            svg.Line(X(step), Top, X(step), floor, decade ? "line" : "grid");
            svg.Text(X(step), floor + 18, Text($"{step:0.###}"), Anchor.Middle);
        }

        svg.Text((Left + Width - Right) / 2.0, floor + 40, "round trip, ms (logarithmic)", Anchor.Middle);
        double y = Top;
        foreach ((Bottleneck bottleneck, bool other, string head) in Groups)
        {
            svg.Rectangle(0, y - 1, Width, HeadHeight - 5, "paper");
            svg.Text(20, y + HeadHeight - 13, head, bold: true);
            y += HeadHeight;
            foreach (IsolationRow row in rows.Where(r => r.Bottleneck == bottleneck && r.Other == other))
            {
                Row(svg, row, y, X);
                y += RowHeight;
            }
        }

        double legend = Left;
        foreach ((string name, Mark mark, _) in Marks.Reverse())
        {
            svg.Point(legend, height - 22, mark, "key");
            svg.Text(legend + 12, height - 18, name);
            legend += 70;
        }

        return svg.Finish(title);
    }

    private static void Row(Svg svg, IsolationRow row, double top, Func<double, double> x)
    {
        string colour = Colour(row.Contestant);
        double middle = top + (RowHeight / 2.0) - 4;
        svg.Text(Left - 12, middle + 4, row.Contestant, Anchor.End);
        svg.Line(x(row.Percentile(50)), middle, x(row.Max), middle, colour, 2);

        // From the outside in, so that the median lies on top.
        foreach ((string name, Mark mark, double percent) in Marks)
        {
            double value = percent < 100 ? row.Percentile(percent) : row.Max;
            svg.Point(x(value), middle, mark, colour, title: Text($"{row.Contestant}, {name}: {value:0.00} ms"));
        }

        double late = row.Percentile(99);
        svg.Text(Width - 20, middle + 4, Text($"{(late < 100 ? Math.Round(late, 1) : Math.Round(late))} ms"), Anchor.End);
    }

    /// <summary>Where the axis may begin, end and have lines, from a microsecond to an hour.</summary>
    private static IEnumerable<double> Steps() =>
        from decade in Enumerable.Range(-3, 10) from part in new[] { 1, 2, 5 } select part * Math.Pow(10, decade);

    private static string Colour(string contestant) => contestant switch
    {
        Isolation.Own => "c0",
        Isolation.Unique => "c2",
        Isolation.Reference => "c1",
        _ => "c3",
    };

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
