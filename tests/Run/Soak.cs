using System.Diagnostics;
using System.Globalization;

namespace CniIsolator.Run;

/// <summary>
/// What only repetition finds, for as long as wanted: crash grids with every cell, the stress test for minutes at a time, races, and fuzzing from
/// seeds of their own.
/// </summary>
/// <param name="root">The repository.</param>
/// <param name="results">Where result files and logs of the last round go.</param>
/// <param name="tell">Takes a line for whoever watches.</param>
public sealed class Soak(string root, string results, Action<string> tell)
{
    private const string Races = "Lifecycle.Tests-races";

    // Of the time, for each of stress and fuzzing in a round; the crash grids take what they take.
    private const double Share = 0.15;

    /// <summary>Rounds until the time is over, at least one; the first that finds something is the last.</summary>
    public List<ProjectOutcome> Run(TimeSpan time, CancellationToken cancelled)
    {
        string share = Math.Max(time.TotalMinutes * Share, 0.5).ToString("0.##", CultureInfo.InvariantCulture);
        Environment.SetEnvironmentVariable("CRASH_CELLS", "all");
        Environment.SetEnvironmentVariable("PORTMAP_STRESS_MINUTES", share);
        List<TestProject> projects = TestProject.Find(root);
        Stopwatch watch = Stopwatch.StartNew();
        List<ProjectOutcome> outcomes = [];
        for (int round = 1; round == 1 || (watch.Elapsed < time && Summary.Succeeded(outcomes)); round++)
        {
            tell($"round {round}");
            outcomes.AddRange(Campaign().Run(projects.Where(one => one.Name == "Crash.Tests"), cancelled));
            outcomes.AddRange(Campaign().Run(projects.Where(one => one.Name == Races), cancelled));
            outcomes.Add(Fuzz(share, cancelled));
        }

        return outcomes;
    }

    private Campaign Campaign() => new(root, results, new Durations(Path.Combine(results, "durations.json")), tell);

    /// <summary>The fuzzer is a program, not a test project; it tells its seed, and what it found.</summary>
    private ProjectOutcome Fuzz(string minutes, CancellationToken cancelled)
    {
        tell($"fuzzing for {minutes} min");
        Stopwatch watch = Stopwatch.StartNew();
        string[] words = ["run", "--project", Path.Combine(root, "tests", "Fuzz"), "-c", "Release", "--", "--minutes", minutes];
        ProcessStartInfo start = new("dotnet", words) { WorkingDirectory = root };
        using Process process = Process.Start(start) ?? throw new InvalidOperationException("dotnet did not start");
        while (!process.WaitForExit(TimeSpan.FromMilliseconds(100)))
        {
            if (cancelled.IsCancellationRequested)
            {
                ProcessTree.End(process);
                cancelled.ThrowIfCancellationRequested();
            }
        }

        string? fault = process.ExitCode == 0 ? null : $"findings, see above and artifacts/fuzz (exit code {process.ExitCode})";
        TestOutcome[] tests = fault is null ? [new TestOutcome($"{minutes} minutes", Verdict.Passed, watch.Elapsed, "")] : [];
        return new ProjectOutcome("Fuzz", tests, fault, watch.Elapsed);
    }
}
