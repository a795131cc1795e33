namespace CniIsolator.Run;

/// <summary>What the runner must know of a project beyond its name. A project that is not listed takes a few seconds and is in nobody's way.</summary>
/// <param name="Name">The project's file name without its ending.</param>
/// <param name="Seconds">About how long it takes; what the last run took counts more.</param>
/// <param name="Tests">About how many tests it has; the same.</param>
public sealed record ProjectPlan(string Name, int Seconds, int Tests)
{
    /// <summary>How many processors it keeps busy all the time; 0 for one that mostly waits for the kernel.</summary>
    public int Processors { get; init; }

    /// <summary>The script that runs it in the place of `dotnet vstest`, from the repository's root; it is given the same options.</summary>
    public string? Script { get; init; }
}

/// <summary>
/// The one place that says which test projects may run side by side. Each test makes network namespaces, stores and temporary directories of its
/// own with names that nobody else has, so most may. No test listens in the machine's own namespace on a fixed port, and none changes the machine.
/// </summary>
public static class Plan
{
    /// <summary>
    /// How many projects at a time. More than two processors: most of the time a test waits for the kernel's grace periods, which pass for all of them
    /// at once.
    /// </summary>
    public const int Slots = 3;

    /// <summary>What two projects together may keep busy: no more than half as much again as there is.</summary>
    private const int MostProcessors = 3;

    private static readonly ProjectPlan[] Known =
    [
        new("Crash.Tests", 240, 19) { Processors = 2 },
        new("Lifecycle.Tests", 200, 551),
        new("FullKernel.Tests", 250, 36) { Processors = 1, Script = "tests/full-kernel/test.sh" },
        new("Kernels.Tests", 150, 10) { Processors = 2 },
        new("DataPath.Tests", 90, 82),
        new("Exporter.Tests", 90, 95),
        new("Security.Tests", 90, 195),
        new("Package.Tests", 50, 36) { Processors = 1 },
        new("Page.Tests", 40, 35),
        new("Runtimes.Tests", 30, 32),
        new("Fuzz.Tests", 20, 5) { Processors = 1 },
    ];

    public static ProjectPlan Of(string name) => Array.Find(Known, one => one.Name == name) ?? new ProjectPlan(name, 5, 100);

    /// <summary>Why these two must not run at the same time; null where they may.</summary>
    public static string? Conflict(ProjectPlan one, ProjectPlan other)
    {
        ArgumentNullException.ThrowIfNull(one);
        ArgumentNullException.ThrowIfNull(other);
        return one.Processors + other.Processors > MostProcessors
            ? "each would take the processors from the other, and waits for it would grow beyond what tests allow for"
            : null;
    }
}
