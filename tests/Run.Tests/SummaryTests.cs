namespace CniIsolator.Run.Tests;

public sealed class SummaryTests
{
    private static ProjectOutcome Project(string name, params TestOutcome[] tests) => new(name, tests, null, TimeSpan.FromSeconds(1));

    private static TestOutcome Test(string name, Verdict verdict, double seconds = 0, string message = "") =>
        new(name, verdict, TimeSpan.FromSeconds(seconds), message);

    [Fact]
    public void The_last_line_sums_up_and_no_passed_test_is_named_as_failed()
    {
        string[] lines = [.. Summary.Lines([new ProjectOutcome("Sample.Tests", ResultFile.Read(Sample.Ordinary).Tests, null, TimeSpan.Zero)])];
        Assert.Equal("4 passed, 1 failed, 1 skipped", lines[^1]);
        string failure = Assert.Single(lines, line => line.StartsWith("failed:", StringComparison.Ordinal));
        const string Name = "Sample.Tests: Sample.Some.Fails_and_looks_like_two";
        Assert.StartsWith($"failed: {Name}: first line\n    </Message>", failure, StringComparison.Ordinal);
        Assert.DoesNotContain(lines[..^1].SelectMany(line => line.Split('\n')), line => line.StartsWith("1 passed", StringComparison.Ordinal));
        Assert.Contains("skipped: Sample.Tests: Sample.Some.Is_skipped: no such device here, <none>", lines);
    }

    [Fact]
    public void The_ten_slowest_come_slowest_first()
    {
        string[] lines = [.. Summary.Lines([
            Project("A", [.. Enumerable.Range(0, 8).Select(n => Test($"a{n}", Verdict.Passed, n))]),
            Project("B", [.. Enumerable.Range(0, 8).Select(n => Test($"b{n}", Verdict.Passed, n + 0.5))])])];
        Assert.Equal("the 10 slowest tests:", lines[0]);
        Assert.Equal(["B: b7", "A: a7", "B: b6"], lines[1..4].Select(line => line[(line.IndexOf(" s ", StringComparison.Ordinal) + 3)..]));
        Assert.Equal("16 passed, 0 failed, 0 skipped", lines[11]);
        Assert.Equal(12, lines.Length);
    }

    [Fact]
    public void Long_messages_and_long_lists_are_cut()
    {
        TestOutcome[] tests = [.. Enumerable.Range(0, 70).Select(n => Test($"t{n}", Verdict.Failed, message: new string('x', 10_000)))];
        string[] lines = [.. Summary.Lines([Project("A", tests)])];
        Assert.Equal(50, lines.Count(line => line.StartsWith("failed:", StringComparison.Ordinal)));
        Assert.Contains("... and 20 more that failed", lines);
        Assert.All(lines, line => Assert.InRange(line.Length, 1, 1600));
        Assert.Equal("0 passed, 70 failed, 0 skipped", lines[^1]);
    }

    [Fact]
    public void Success_is_that_none_failed_and_some_passed()
    {
        Assert.True(Summary.Succeeded([Project("A", Test("a", Verdict.Passed)), Project("B", Test("b", Verdict.Skipped))]));
        Assert.False(Summary.Succeeded([Project("A", Test("a", Verdict.Passed), Test("b", Verdict.Failed))]));
        Assert.False(Summary.Succeeded([Project("A", Test("a", Verdict.Skipped))]));
        Assert.False(Summary.Succeeded([Project("A", Test("a", Verdict.Passed)) with { Fault = "gone" }]));
        Assert.False(Summary.Succeeded([]));
    }
}
