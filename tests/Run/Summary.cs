using System.Globalization;

namespace CniIsolator.Run;

/// <summary>What is told at the end. Who reads a log from there should not have to look for anything.</summary>
public static class Summary
{
    private const int Slowest = 10;

    // Of each failure; the result files have all of it.
    private const int MostCharacters = 1500;

    private const int MostFailures = 50;

    public static IEnumerable<string> Lines(IReadOnlyList<ProjectOutcome> projects)
    {
        ArgumentNullException.ThrowIfNull(projects);
        (string Project, TestOutcome Test)[] tests = [.. projects.SelectMany(project => project.Tests.Select(test => (project.Project, test)))];
        if (tests.Length > 0)
        {
            yield return $"the {Math.Min(Slowest, tests.Length)} slowest tests:";
        }

        foreach ((string project, TestOutcome test) in tests.OrderByDescending(one => one.Test.Duration).Take(Slowest))
        {
            yield return $"  {Seconds(test.Duration),8} {project}: {OneLine(test.Name)}";
        }

        foreach ((string project, TestOutcome test) in tests.Where(one => one.Test.Verdict == Verdict.Skipped))
        {
            yield return $"skipped: {project}: {OneLine(test.Name)}: {OneLine(test.Message.Length > 0 ? test.Message : "no reason given")}";
        }

        string[] failures = [.. Failures(projects)];
        foreach (string failure in failures.Take(MostFailures))
        {
            yield return failure;
        }

        if (failures.Length > MostFailures)
        {
            yield return $"... and {failures.Length - MostFailures} more that failed";
        }

        yield return Counts(projects);
    }

    /// <summary>Whether all is well: none failed, and there was something to pass.</summary>
    public static bool Succeeded(IReadOnlyList<ProjectOutcome> projects)
    {
        ArgumentNullException.ThrowIfNull(projects);
        return projects.Sum(project => project.Failed) == 0 && projects.Sum(project => project.Passed) > 0;
    }

    /// <summary>The last line.</summary>
    public static string Counts(IReadOnlyList<ProjectOutcome> projects)
    {
        ArgumentNullException.ThrowIfNull(projects);
        (int passed, int failed, int skipped) = (projects.Sum(one => one.Passed), projects.Sum(one => one.Failed), projects.Sum(one => one.Skipped));
        return $"{passed} passed, {failed} failed, {skipped} skipped";
    }

    public static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture) + " s";

    private static IEnumerable<string> Failures(IEnumerable<ProjectOutcome> projects)
    {
        foreach (ProjectOutcome project in projects)
        {
            foreach (TestOutcome test in project.Tests.Where(test => test.Verdict == Verdict.Failed))
            {
                yield return $"failed: {project.Project}: {OneLine(test.Name)}: {Indented(test.Message.Length > 0 ? test.Message : "no message")}";
            }

            if (project.Fault is { } fault)
            {
                yield return $"failed: {project.Project}: {Indented(fault)}";
            }
        }
    }

    /// <summary>Further lines of a message stand back, so that none looks like a line of ours.</summary>
    private static string Indented(string text)
    {
        string bounded = text.Length > MostCharacters ? text[..MostCharacters] + " ..." : text;
        return bounded.ReplaceLineEndings("\n").Replace("\n", "\n    ", StringComparison.Ordinal);
    }

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");
}
