using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace CniIsolator.Netlink.Tests.Headers;

/// <summary>Something in the sources that repeats a kernel header: C# type and member, kernel name, header.</summary>
/// <param name="Type">The C# type.</param>
/// <param name="Member">Its member.</param>
/// <param name="Kernel">The kernel's name, a C expression, or null where the trailing comment names none.</param>
/// <param name="Literal">What stands behind the equals sign.</param>
/// <param name="IsEnum">Whether it is a member of an enum; else it is a const.</param>
internal sealed record SourceConstant(string Type, string Member, string? Kernel, string Literal, bool IsEnum);

internal sealed record SourceStructure(string Type, string Kernel, bool IsPrefix, IReadOnlyList<(string Member, string? Kernel)> Members);

/// <summary>Reads what the trailing comments of the sources say about the kernel's names.</summary>
internal static partial class SourceConstants
{
    public static string Root { get; } = FindRoot();

    private static IEnumerable<string> Files => new[] { "src/Netlink", "src/Linux" }
        .SelectMany(d => Directory.EnumerateFiles(Path.Combine(Root, d), "*.cs", SearchOption.AllDirectories))
        .Where(f => !f.Contains("/obj/", StringComparison.Ordinal) && !f.Contains("/bin/", StringComparison.Ordinal))
        .Order();

    public static IEnumerable<SourceConstant> Constants()
    {
        foreach (var (type, kind, line) in Lines())
        {
            if (kind == "enum" && EnumMember().Match(line) is { Success: true } member)
            {
                yield return new SourceConstant(type, member.Groups["name"].Value, Name(member), member.Groups["value"].Value, true);
            }
            else if (Constant().Match(line) is { Success: true } constant)
            {
                yield return new SourceConstant(type, constant.Groups["name"].Value, Name(constant), constant.Groups["value"].Value, false);
            }
        }
    }

    public static IEnumerable<SourceStructure> Structures()
    {
        foreach (var file in Files)
        {
            var text = File.ReadAllText(file);
            foreach (Match match in Structure().Matches(text))
            {
                var members = match.Groups["body"].Value.Split('\n').Select(l => Field().Match(l)).Where(m => m.Success)
                    .Select(m => (m.Groups["name"].Value, m.Groups["kernel"] is { Success: true, Value: var k } ? k : null));
                yield return new SourceStructure(
                    match.Groups["type"].Value,
                    match.Groups["kernel"].Value,
                    match.Groups["prefix"].Success,
                    [.. members]);
            }
        }
    }

    private static IEnumerable<(string Type, string Kind, string Line)> Lines()
    {
        foreach (var file in Files)
        {
            var (type, kind) = ("", "");
            foreach (var line in File.ReadLines(file))
            {
                if (Declaration().Match(line) is { Success: true } declaration)
                {
                    (kind, type) = (declaration.Groups["kind"].Value, declaration.Groups["name"].Value);
                }

                yield return (type, kind, line);
            }
        }
    }

    private static string? Name(Match match) => match.Groups["kernel"] is { Success: true, Value: var name } ? name : null;

    private static string FindRoot([CallerFilePath] string here = "")
    {
        for (var directory = Path.GetDirectoryName(here); directory is not null; directory = Path.GetDirectoryName(directory))
        {
            if (File.Exists(Path.Combine(directory, "CniIsolator.sln")))
            {
                return directory;
            }
        }

        throw new DirectoryNotFoundException("the sources are not where they were compiled");
    }

    [GeneratedRegex(@"^(public|internal) .*\b(?<kind>enum|struct|class|record struct|record) (?<name>\w+)")]
    private static partial Regex Declaration();

    // A kernel name is capitals, or a call such as sizeof(struct statx); prose behind ":" or "," is for the reader.
    [GeneratedRegex(@"^    (?<name>\w+) = (?<value>[^,]+),(\s*// (?<kernel>[A-Z][A-Z0-9_]+))?")]
    private static partial Regex EnumMember();

    [GeneratedRegex(@"\bconst (byte|short|ushort|int|uint|long|ulong) (?<name>\w+) = (?<value>[^;]+);(\s*// (?<kernel>(1 << )?_?[A-Z][A-Z0-9_]{2,}(\(.*\))?|sizeof\(.*\)|offsetof\(.*\)))?")]
    private static partial Regex Constant();

    [GeneratedRegex(@"/// <summary>(?<prefix>The begin of )?struct (?<kernel>\w+) of [^\n]*\n\[StructLayout\(LayoutKind\.Sequential\)\]\n(public|internal) (unsafe )?struct (?<type>\w+)\n\{\n(?<body>.*?)\n\}", RegexOptions.Singleline)]
    private static partial Regex Structure();

    [GeneratedRegex(@"^    public (fixed )?[\w]+ (?<name>\w+)(\[\d+\])?;(\s*// (?<kernel>[a-z_][a-z0-9_]*(\[\d\])?))?")]
    private static partial Regex Field();
}
