using System.Diagnostics;
using System.Xml.Linq;

namespace CniIsolator.Run;

/// <summary>A built test project, and how it is run.</summary>
/// <param name="Plan">What is known of it.</param>
/// <param name="Assembly">Its test assembly, from the repository's root.</param>
public sealed record TestProject(ProjectPlan Plan, string Assembly)
{
    public string Name => Plan.Name;

    /// <summary>All *.Tests.csproj below tests/, in their parts.</summary>
    public static List<TestProject> Find(string root) =>
        [
        .. Directory.EnumerateFiles(Path.Combine(root, "tests"), "*.Tests.csproj", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .SelectMany(path => Of(root, path)),
        ];

    /// <summary>
    /// How it is started, from the repository's root. It makes a result file NAME.trx in the directory, and prints each test as it ends.
    /// </summary>
    public ProcessStartInfo Command(string results, string? filter)
    {
        string[] filters = [.. new[] { Run.Plan.Filter(Plan), filter }.OfType<string>()];
        string[] options =
        [
            $"--ResultsDirectory:{results}",
            $"--logger:trx;LogFileName={Name}.trx",
            "--logger:console;verbosity=normal",
            .. filters.Length == 0 ? [] : new[] { $"--TestCaseFilter:{string.Join('&', filters.Select(one => $"({one})"))}" },
            "--", "xUnit.DiagnosticMessages=true", "xUnit.LongRunningTestSeconds=60",
        ];
        string[] words =
        [
            .. Plan.Niceness == 0 ? [] : new[] { "nice", "-n", $"{Plan.Niceness}" },
            .. Plan.Script is { } script ? [script] : new[] { "dotnet", "vstest", Assembly },
            .. options,
        ];
        ProcessStartInfo start = new(words[0], words[1..])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // Tests run too short for it to pay that the compiler measures what it compiles.
        start.Environment["DOTNET_TieredPGO"] = "0";

        // The runner ends what makes no progress; a guest's own clock must not come first.
        start.Environment["FULL_KERNEL_MINUTES"] = "600";
        return start;
    }

    private static IEnumerable<TestProject> Of(string root, string path)
    {
        string name = Path.GetFileNameWithoutExtension(path);
        string assembly = XDocument.Load(path).Descendants("AssemblyName").FirstOrDefault()?.Value ?? name;
        string directory = Path.GetRelativePath(root, Path.GetDirectoryName(path)!);
        return Run.Plan.Of(name).Select(plan => new TestProject(plan, Path.Combine(directory, "bin", "Debug", "net10.0", assembly + ".dll")));
    }
}
