using System.Globalization;

namespace CniIsolator.Bench.Plots;

/// <summary>A value to be drawn.</summary>
/// <param name="Value">Where its bar ends.</param>
/// <param name="Label">What is written behind it.</param>
/// <param name="Colour">"c0" to "c3".</param>
internal sealed record Bar(double Value, string Label, string Colour);

/// <summary>Some bars under one name.</summary>
internal sealed record BarGroup(string Name, IReadOnlyList<Bar> Bars);

/// <summary>Draws horizontal bars from zero on, in groups: lengths are what compares best.</summary>
internal static class BarPlot
{
    private const int Width = 860;
    private const int Left = 300;
    private const int Right = 150;
    private const int Top = 88;
    private const int BarHeight = 15;
    private const int Gap = 14;
    private const int Bottom = 74;

    /// <param name="title">Of the drawing.</param>
    /// <param name="subtitle">What is measured, and which way is better.</param>
    /// <param name="groups">From top to bottom.</param>
    /// <param name="colours">What each colour stands for.</param>
    /// <param name="mark">A value that a line is drawn at, and what it is; null for none.</param>
    public static string Draw(
        string title, string subtitle, IReadOnlyList<BarGroup> groups, IReadOnlyList<(string Colour, string Name)> colours, (double Value, string Name)? mark = null)
    {
        int height = Top + groups.Sum(group => (group.Bars.Count * BarHeight) + Gap) + Bottom;
        Svg svg = new(Width, height);
        double most = groups.SelectMany(group => group.Bars).Max(bar => bar.Value);
        double X(double value) => Left + (value / most * (Width - Left - Right));
        svg.Text(20, 28, title, size: 17, bold: true);
        svg.Text(20, 48, subtitle, style: "weak");
        double y = Top;
        int floor = height - Bottom;
        svg.Line(Left, Top - 6, Left, floor);
        foreach (BarGroup group in groups)
        {
            double middle = y + (group.Bars.Count * BarHeight / 2.0);
            svg.Text(Left - 12, middle + 4, group.Name, Anchor.End);
            foreach (Bar bar in group.Bars)
            {
                svg.Rectangle(Left, y + 1, X(bar.Value) - Left, BarHeight - 2, bar.Colour);
                svg.Text(X(bar.Value) + 6, y + BarHeight - 3, bar.Label, size: 12);
                y += BarHeight;
            }

            y += Gap;
        }

        if (mark is { } line)
        {
            svg.Line(X(line.Value), Top - 6, X(line.Value), floor);
            svg.Text(X(line.Value), Top - 12, line.Name, Anchor.Middle, "weak");
        }

        double x = Left;
        foreach ((string colour, string name) in colours)
        {
            svg.Rectangle(x, height - 36, 14, 12, colour);
            svg.Text(x + 20, height - 25, name);
            x += 44 + (name.Length * 7.2);
        }

        return svg.Finish(title);
    }

    /// <summary>A number as it is written behind a bar.</summary>
    public static string Label(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
