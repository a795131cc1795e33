using System.Text.RegularExpressions;

namespace CniIsolator.Package.Tests.Images;

/// <summary>One instruction, its keyword in capitals, continued lines joined.</summary>
internal sealed record Instruction(string Keyword, string Arguments)
{
    /// <summary>The words of COPY without its flags: the sources, and last the destination.</summary>
    public string[] Words => [.. Arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries).SkipWhile(word => word.StartsWith("--", StringComparison.Ordinal))];

    /// <summary>The value of a flag such as --from, or null.</summary>
    public string? Flag(string name) => Arguments.Split(' ').TakeWhile(word => word.StartsWith("--", StringComparison.Ordinal))
        .FirstOrDefault(word => word.StartsWith($"--{name}=", StringComparison.Ordinal))?[(name.Length + 3)..];
}

/// <summary>What stands between one FROM and the next.</summary>
internal sealed record Stage(string Image, string Name, IReadOnlyList<Instruction> Instructions);

/// <summary>
/// As much of a Dockerfile as ours uses (https://docs.docker.com/reference/dockerfile/): continued lines, comments, global ARG with a
/// default, stages. What it does not know it refuses, so that nothing goes untested by being passed over.
/// </summary>
internal sealed partial class Dockerfile
{
    private static readonly string[] Known = ["ARG", "FROM", "ENV", "WORKDIR", "COPY", "RUN", "LABEL", "ENTRYPOINT"];

    private Dockerfile(IReadOnlyList<Stage> stages) => Stages = stages;

    public IReadOnlyList<Stage> Stages { get; }

    public static Dockerfile Parse(string text)
    {
        Dictionary<string, string> arguments = new(StringComparer.Ordinal);
        List<Stage> stages = [];
        List<Instruction> current = [];
        foreach (Instruction instruction in Instructions(text))
        {
            if (!Known.Contains(instruction.Keyword))
            {
                throw new FormatException($"{instruction.Keyword} is not known here");
            }

            if (instruction.Keyword == "FROM")
            {
                string[] words = Substitute(instruction.Arguments, arguments).Split(' ', StringSplitOptions.RemoveEmptyEntries);
                current = [];
                stages.Add(new Stage(words[0], words is [_, var and, var name] && and.Equals("AS", StringComparison.OrdinalIgnoreCase) ? name : "", current));
            }
            else if (stages.Count > 0)
            {
                current.Add(instruction);
            }
            else if (instruction.Keyword == "ARG" && instruction.Arguments.Split('=', 2) is [var key, var value])
            {
                arguments[key] = value;
            }
            else
            {
                throw new FormatException($"{instruction.Keyword} {instruction.Arguments} before the first FROM");
            }
        }

        return new Dockerfile(stages);
    }

    private static IEnumerable<Instruction> Instructions(string text)
    {
        string pending = "";

        // Comments and empty lines are passed over even between continued lines.
        foreach (string line in text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#'))
        {
            pending += line;
            if (pending.EndsWith('\\'))
            {
                pending = pending[..^1];
                continue;
            }

            string[] parts = pending.Split(' ', 2, StringSplitOptions.TrimEntries);
            yield return new Instruction(parts[0].ToUpperInvariant(), parts.Length > 1 ? parts[1] : "");
            pending = "";
        }

        if (pending.Length > 0)
        {
            throw new FormatException($"the file ends within {pending}");
        }
    }

    private static string Substitute(string text, Dictionary<string, string> arguments) =>
        Variable().Replace(text, match => arguments.GetValueOrDefault(match.Groups[1].Value) ?? throw new FormatException($"{match.Value} has no value"));

    [GeneratedRegex(@"\$\{(\w+)\}")]
    private static partial Regex Variable();
}
