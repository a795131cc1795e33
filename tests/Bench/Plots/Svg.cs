using System.Globalization;
using System.Security;
using System.Text;

namespace CniIsolator.Bench.Plots;

/// <summary>Where a text stands beside its point.</summary>
internal enum Anchor
{
    Start,
    Middle,
    End,
}

/// <summary>The shape of a point, so that colour is never all that tells two things apart.</summary>
internal enum Mark
{
    Circle,
    Square,
    Triangle,
    Bar,
}

/// <summary>
/// A drawing in pixels, origin at the top left. It brings its own background, and follows whether its reader prefers a dark one. Classes of its style
/// sheet: "text", "weak" (text), "line", "grid", "band", "paper", "key", and the colours "c0" to "c3", which people with any colour vision can tell apart.
/// </summary>
internal sealed class Svg(int width, int height)
{
    /// <summary>Blue, orange, green and purple of the palette of Okabe and Ito; the blue is lighter on dark.</summary>
    private const string Style = """
        svg { font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 13px; }
        .paper { fill: #ffffff; } .text { fill: #1a1a1a; } .weak { fill: #595959; } .line { stroke: #595959; } .grid { stroke: #dedede; }
        .band { fill: #009e73; fill-opacity: 0.15; }
        .c0 { fill: #0072b2; stroke: #0072b2; } .c1 { fill: #d55e00; stroke: #d55e00; } .c2 { fill: #009e73; stroke: #009e73; } .c3 { fill: #a2528c; stroke: #a2528c; }
        .key { fill: #595959; stroke: #595959; } .edged { paint-order: stroke; stroke: #ffffff; stroke-width: 1.5; } .hollow { fill: none; stroke-width: 2; }
        @media (prefers-color-scheme: dark) {
          .paper { fill: #161b22; } .text { fill: #e8e8e8; } .weak { fill: #b0b0b0; } .line { stroke: #b0b0b0; } .grid { stroke: #3a3f46; }
          .band { fill-opacity: 0.3; }
          .c0 { fill: #56b4e9; stroke: #56b4e9; } .c1 { fill: #e69f00; stroke: #e69f00; } .c2 { fill: #2bc79a; stroke: #2bc79a; } .c3 { fill: #dd9cc4; stroke: #dd9cc4; }
          .key { fill: #b0b0b0; stroke: #b0b0b0; } .edged { stroke: #161b22; } .hollow { fill: none; }
        }
        """;

    private readonly StringBuilder _body = new();

    public int Width => width;

    public int Height => height;

    public void Text(double x, double y, string text, Anchor anchor = Anchor.Start, string style = "text", int size = 13, bool bold = false)
    {
        string look = $"class=\"{style}\" font-size=\"{size}\" font-weight=\"{(bold ? "bold" : "normal")}\"";
        Append($"<text x=\"{x:0.#}\" y=\"{y:0.#}\" {look} text-anchor=\"{Name(anchor)}\">{SecurityElement.Escape(text)}</text>");
    }

    /// <summary>A text that reads upwards, centred on its point.</summary>
    public void Upwards(double x, double y, string text) =>
        Append($"<text transform=\"translate({x:0.#} {y:0.#}) rotate(-90)\" class=\"text\" text-anchor=\"middle\">{SecurityElement.Escape(text)}</text>");

    public void Line(double x1, double y1, double x2, double y2, string style = "line", double thickness = 1) =>
        Append($"<line x1=\"{x1:0.#}\" y1=\"{y1:0.#}\" x2=\"{x2:0.#}\" y2=\"{y2:0.#}\" class=\"{style}\" stroke-width=\"{thickness:0.#}\"/>");

    public void Rectangle(double x, double y, double wide, double high, string style) =>
        Append($"<rect x=\"{x:0.#}\" y=\"{y:0.#}\" width=\"{wide:0.#}\" height=\"{high:0.#}\" class=\"{style}\"/>");

    /// <summary>
    /// A point of a series; what it says appears when a reader points at it. One that is not hollow has an edge that sets it off from its neighbours.
    /// </summary>
    public void Point(double x, double y, Mark mark, string style, bool hollow = false, string title = "")
    {
        string classes = (hollow, mark) switch
        {
            (true, _) => style + " hollow",
            (_, Mark.Bar) => style,
            _ => style + " edged",
        };
        string open = mark switch
        {
            Mark.Circle => Format($"<circle cx=\"{x:0.#}\" cy=\"{y:0.#}\" r=\"5\" class=\"{classes}\">"),
            Mark.Square => Format($"<rect x=\"{x - 4.5:0.#}\" y=\"{y - 4.5:0.#}\" width=\"9\" height=\"9\" class=\"{classes}\">"),
            Mark.Triangle => Format($"<path d=\"M{x:0.#} {y - 6:0.#} l6 10.5 h-12 z\" class=\"{classes}\">"),
            _ => Format($"<path d=\"M{x:0.#} {y - 6:0.#} v12\" stroke-width=\"2.5\" class=\"{classes}\">"),
        };
        string close = mark switch { Mark.Circle => "</circle>", Mark.Square => "</rect>", _ => "</path>" };
        _body.Append(open).Append("<title>").Append(SecurityElement.Escape(title)).Append("</title>").Append(close).Append('\n');
    }

    /// <summary>The whole file.</summary>
    /// <param name="title">For readers who cannot see it.</param>
    public string Finish(string title) => Format(
        $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n")
        + $"<title>{SecurityElement.Escape(title)}</title>\n<style>\n{Style}\n</style>\n"
        + $"<rect width=\"100%\" height=\"100%\" class=\"paper\"/>\n{_body}</svg>\n";

    private void Append(FormattableString element) => _body.Append(element.ToString(CultureInfo.InvariantCulture)).Append('\n');

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Name(Anchor anchor) => anchor switch { Anchor.Start => "start", Anchor.Middle => "middle", _ => "end" };
}
