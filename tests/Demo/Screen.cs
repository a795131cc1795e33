namespace CniIsolator.Demo;

/// <summary>What the spectator reads. Colours only where there is a terminal that wants them.</summary>
internal sealed class Screen
{
    private const string Bold = "1";
    private const string Dim = "2";
    private const string Red = "31";
    private const string Green = "32";
    private const string Cyan = "36";

    private static readonly bool Coloured = !Console.IsOutputRedirected
        && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
        && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");

    private readonly List<string> _broken = [];

    /// <summary>How many statements were true.</summary>
    public int Kept { get; private set; }

    /// <summary>The statements that were not.</summary>
    public IReadOnlyList<string> Broken => _broken;

    public static void Heading(string text) => Console.WriteLine(Paint(text, Bold));

    public static void Step(int number, string title)
    {
        Console.WriteLine();
        Heading($"━━ {number}. {title}");
    }

    public static void Say(string text) => Console.WriteLine(("   " + text).TrimEnd());

    /// <summary>A command, with the place it runs in as the prompt.</summary>
    public static void Command(string place, string line) => Console.WriteLine($"\n   {Paint(place + "$", Dim)} {Paint(line, Cyan)}");

    /// <summary>What came back, word for word but for the indent.</summary>
    public static void Output(string text)
    {
        // Many commands print nothing when all is well, and then nothing is shown.
        if (string.IsNullOrWhiteSpace(text))
        {
            return;
        }

        foreach (string line in text.TrimEnd().Split('\n'))
        {
            Console.WriteLine(("   " + line.Replace('\t', ' ')).TrimEnd());
        }
    }

    /// <summary>A statement about what was just seen; the reason is given where it is false.</summary>
    public void Claim(bool holds, string statement, string reason)
    {
        if (holds)
        {
            Kept++;
            Console.WriteLine($"   {Paint("✓", Green)} {statement}");
            return;
        }

        _broken.Add(statement);
        Console.WriteLine($"   {Paint("✗", Red)} {statement}: {Paint(reason.Trim(), Red)}");
    }

    private static string Paint(string text, string code) => Coloured ? $"\u001b[{code}m{text}\u001b[0m" : text;
}
