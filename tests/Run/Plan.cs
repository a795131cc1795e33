namespace CniIsolator.Run;

/// <summary>
/// What the runner must know of a project, or of a part of one, beyond its name. What is not listed takes a few seconds and is in nobody's way.
/// </summary>
/// <param name="Project">The project's file name without its ending.</param>
/// <param name="Seconds">About how long it takes; what the last run took counts more.</param>
/// <param name="Tests">About how many tests it has; the same.</param>
public sealed record ProjectPlan(string Project, int Seconds, int Tests)
{
    /// <summary>Which of several it is; empty for a project that is not divided.</summary>
    public string Part { get; init; } = "";

    /// <summary>For people, and for the names of files.</summary>
    public string Name => Part.Length > 0 ? $"{Project}-{Part}" : Project;

    /// <summary>The classes that it runs; all but those of the project's other parts where none is named.</summary>
    public IReadOnlyList<string> Classes { get; init; } = [];

    /// <summary>How many processors it keeps busy all the time; 0 for one that mostly waits for the kernel.</summary>
    public int Processors { get; init; }

    /// <summary>
    /// As of nice(1). Above 0 for one that has work for all processors at any time and looks at no clock: others go first. Below for one whose work
    /// is all in one thread, and which would otherwise be the last.
    /// </summary>
    public int Niceness { get; init; }

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
    /// How many at a time. More than two processors: most of the time a test waits for the kernel's grace periods, which pass for all of them at
    /// once.
    /// </summary>
    public const int Slots = 5;

    /// <summary>What two projects together may keep busy: no more than half as much again as there is.</summary>
    private const int MostProcessors = 3;

    // Long projects that mostly wait are run in parts, each a process of its own. Threads of one process would not do: a child that one test starts
    // has, for the moment between fork and exec, the descriptors of all others, and much here ends with a descriptor: sockets, BPF programs,
    // namespaces.
    private static readonly ProjectPlan[] Known =
    [
        new("Crash.Tests", 240, 26) { Processors = 2, Niceness = 10 },
        new("FullKernel.Tests", 250, 36) { Processors = 1, Niceness = -5, Script = "tests/full-kernel/test.sh" },
        new("Kernels.Tests", 60, 118) { Processors = 2 },
        new("Lifecycle.Tests", 80, 480),
        new("Lifecycle.Tests", 70, 7) { Part = "races", Classes = ["ReapRaceTests", "StressTests", "ParallelTests"] },
        new("Lifecycle.Tests", 70, 80) { Part = "repairs", Classes = ["InterruptedUpdateTests", "RollbackTests", "RepairTests", "HostChangeTests"] },
        new("Lifecycle.Tests", 25, 21) { Part = "completeness", Classes = ["CompletenessTests"] },
        new("KernelState.Tests", 15, 376) { Processors = 1 },
        new("DataPath.Tests", 45, 54),
        new("DataPath.Tests", 50, 28) { Part = "rates", Classes = ["LimitTests", "SourcePolicingTests"] },
        new("Exporter.Tests", 50, 62),
        new("Exporter.Tests", 45, 33) { Part = "load", Classes = ["LoadTests"] },
        new("Security.Tests", 60, 187),
        new("Security.Tests", 45, 8) { Part = "offloads", Classes = ["OffloadTests", "HostLoopbackTests"] },
        new("Package.Tests", 50, 36) { Processors = 1 },
        new("Page.Tests", 40, 35),
        new("Runtimes.Tests", 30, 32),
        new("Fuzz.Tests", 20, 5) { Processors = 1 },
    ];

    /// <summary>The parts of a project, or the one that is all of it.</summary>
    public static IReadOnlyList<ProjectPlan> Of(string project) =>
        Array.FindAll(Known, one => one.Project == project) is { Length: > 0 } known ? known : [new ProjectPlan(project, 5, 100)];

    /// <summary>
    /// The tests of a part as an expression of vstest; null where all are wanted. What no part names is in the part without names, so that none is
    /// lost.
    /// </summary>
    public static string? Filter(ProjectPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        string[] others = [.. Of(plan.Project).SelectMany(one => one.Classes)];
        return plan.Classes.Count > 0 ? string.Join('|', plan.Classes.Select(name => $"FullyQualifiedName~.{name}."))
            : others.Length > 0 ? string.Join('&', others.Select(name => $"FullyQualifiedName!~.{name}."))
            : null;
    }

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
