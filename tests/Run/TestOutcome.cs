namespace CniIsolator.Run;

public enum Verdict
{
    Passed,
    Failed,
    Skipped,
}

/// <summary>What a result file says of one test.</summary>
/// <param name="Name">The test's.</param>
/// <param name="Verdict">How it ended.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="Message">Its own message: why it failed, or was skipped; empty where there is none.</param>
public sealed record TestOutcome(string Name, Verdict Verdict, TimeSpan Duration, string Message);

/// <summary>What came of a project.</summary>
/// <param name="Project">Its name.</param>
/// <param name="Tests">Those that its result file tells of.</param>
/// <param name="Fault">What went wrong with the project itself, such as a crash; null where nothing did. It counts as one failure.</param>
/// <param name="Time">How long it ran.</param>
public sealed record ProjectOutcome(string Project, IReadOnlyList<TestOutcome> Tests, string? Fault, TimeSpan Time)
{
    public int Passed => Tests.Count(test => test.Verdict == Verdict.Passed);

    public int Failed => Tests.Count(test => test.Verdict == Verdict.Failed) + (Fault is null ? 0 : 1);

    public int Skipped => Tests.Count(test => test.Verdict == Verdict.Skipped);
}
