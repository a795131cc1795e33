using System.Globalization;
using CniIsolator.Bench.Shaping;

namespace CniIsolator.Bench.Plots;

/// <summary>Draws how near to its limit a container's traffic came.</summary>
internal static class RatePlot
{
    private const int Width = 800;
    private const int Height = 460;
    private const int Left = 84;
    private const int Right = 20;
    private const int Top = 66;
    private const int Bottom = 118;
    private const double Step = 30;

    /// <summary>The drawing.</summary>
    /// <param name="cells">Every limit with the same directions and numbers of flows.</param>
    /// <param name="below">Least share of the limit that is wanted.</param>
    /// <param name="above">Greatest share of the limit that is wanted.</param>
    public static string Draw(IReadOnlyList<RateCell> cells, double below, double above)
    {
        const string Title = "Achieved rate of a limited container";
        Svg svg = new(Width, Height);
        double low = Math.Max(0, Math.Floor((cells.Min(c => Math.Min(c.Achieved, c.Goodput / c.Megabits)) - 0.005) * 20) / 20);
        double high = Math.Max(1.05, Math.Ceiling(cells.Max(c => c.Achieved) * 20) / 20);
        double Y(double share) => Top + ((high - share) / (high - low) * (Height - Top - Bottom));

        svg.Text(Left, 28, Title, size: 17, bold: true);
        svg.Text(Left, 48, "TCP, in percent of the limit; on the wire as a limit counts (Ethernet frames), goodput as programs do", style: "weak");
        svg.Rectangle(Left, Y(above), Width - Left - Right, Y(below) - Y(above), "band");
        double step = high - low > 0.4 ? 0.1 : 0.05;
        for (double share = low; share <= high + 0.001; share += step)
        {
            bool limit = Math.Abs(share - 1) < 0.001;
            svg.Line(Left, Y(share), Width - Right, Y(share), limit ? "line" : "grid", limit ? 1.5 : 1);
            svg.Text(Left - 8, Y(share) + 4, Invariant($"{share * 100:0} %"), Anchor.End);
        }

        svg.Upwards(24, (Top + Height - Bottom) / 2.0, "achieved / limit");
        int[] limits = [.. cells.Select(c => c.Megabits).Distinct()];
        double wide = (double)(Width - Left - Right) / limits.Length;
        for (int i = 0; i < limits.Length; i++)
        {
            RateCell[] group = [.. cells.Where(c => c.Megabits == limits[i])];
            double middle = Left + (wide * (i + 0.5));
            svg.Text(middle, Height - Bottom + 22, Invariant($"{limits[i]} Mbit/s"), Anchor.Middle);
            for (int k = 0; k < group.Length; k++)
            {
                double x = middle + ((k - ((group.Length - 1) / 2.0)) * Step);
                Point(svg, x, Y(group[k].Achieved), group[k], "on the wire", group[k].Wire, hollow: false);
                Point(svg, x, Y(group[k].Goodput / group[k].Megabits), group[k], "goodput", group[k].Goodput, hollow: true);
            }

            if (i > 0)
            {
                svg.Line(Left + (wide * i), Top, Left + (wide * i), Height - Bottom, "grid");
            }
        }

        svg.Text(Left + ((Width - Left - Right) / 2.0), Height - Bottom + 46, "limit", Anchor.Middle);
        double legend = Left;
        foreach (RateCell cell in cells.Where(c => c.Megabits == limits[0]))
        {
            svg.Point(legend, Height - 42, Shape(cell), Colour(cell));
            svg.Text(legend + 12, Height - 38, $"{Name(cell)}, {(cell.Flows == 1 ? "1 flow" : $"{cell.Flows} flows")}");
            legend += 165;
        }

        svg.Text(Left - 5, Height - 14, "filled: on the wire; hollow: goodput, at most 95.6 % of the wire", style: "weak");
        svg.Rectangle(Width - Right - 240, Height - 25, 14, 14, "band");
        svg.Text(Width - Right - 220, Height - 14, Invariant($"wanted on the wire: {below * 100:0} to {above * 100:0} %"), style: "weak");
        return svg.Finish(Title);
    }

    private static void Point(Svg svg, double x, double y, RateCell cell, string what, double megabits, bool hollow) =>
        svg.Point(x, y, Shape(cell), Colour(cell), hollow, Invariant($"{Name(cell)}, {cell.Flows} flows, {what}: {megabits:0.###} of {cell.Megabits} Mbit/s"));

    private static Mark Shape(RateCell cell) => cell.Flows == 1 ? Mark.Circle : Mark.Square;

    private static string Colour(RateCell cell) => cell.Direction == Direction.Egress ? "c0" : "c1";

    private static string Name(RateCell cell) => cell.Direction == Direction.Egress ? "egress" : "ingress";

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
