namespace CniIsolator.Demo;

/// <summary>Prints numbered steps, and remembers whether each did what it says.</summary>
internal sealed class Stage
{
    private static readonly bool Colours = !Console.IsOutputRedirected;
    private int _step;

    public int Failures { get; private set; }

    public void Step(string title)
    {
        Console.WriteLine();
        Console.WriteLine(Paint($"{++_step}. {title}", "1"));
    }

    public static void Say(string text) => Console.WriteLine($"   {text}");

    /// <summary>A command as a person would type it, and what came back.</summary>
    public static void Show(string command, string output)
    {
        Console.WriteLine(Paint($"   $ {command}", "36"));
        foreach (var line in output.TrimEnd().Split('\n'))
        {
            Console.WriteLine($"     {line.TrimEnd()}");
        }
    }

    public void Claim(string claim, bool holds, string found = "")
    {
        Console.WriteLine(Paint($"   {(holds ? "✓" : "✗")} {claim}{(found.Length == 0 ? "" : $" — {found}")}", holds ? "32" : "31"));
        Failures += holds ? 0 : 1;
    }

    private static string Paint(string text, string code) => Colours ? $"\e[{code}m{text}\e[0m" : text;
}
