namespace CniIsolator.Run.Tests;

/// <summary>What is made of a result file, an exit code and the output together.</summary>
public sealed class JudgementTests
{
    private static ProjectOutcome Judge(string file, int exitCode, string? ended = null, string tail = "its last words") =>
        RunningProject.Judge("Some.Tests", file, exitCode, ended, tail, TimeSpan.FromSeconds(3));

    [Fact]
    public void A_test_that_failed_is_all_there_is_to_say_of_an_exit_code()
    {
        ProjectOutcome outcome = Judge(Sample.Ordinary, 1);
        Assert.Null(outcome.Fault);
        Assert.Equal((4, 1, 1), (outcome.Passed, outcome.Failed, outcome.Skipped));
    }

    [Fact]
    public void A_crash_counts_as_a_failure()
    {
        ProjectOutcome outcome = Judge(Sample.Crash, 1);
        Assert.Equal((0, 1, 0), (outcome.Passed, outcome.Failed, outcome.Skipped));
        Assert.Contains("Test host process crashed", outcome.Fault, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_result_file_the_last_output_is_told()
    {
        ProjectOutcome outcome = Judge("/nowhere/x.trx", 125);
        Assert.Equal(1, outcome.Failed);
        Assert.Equal("no result file (exit code 125)\nits last words", outcome.Fault);
    }

    [Fact]
    public void A_project_that_was_ended_has_failed_whatever_its_file_says()
    {
        ProjectOutcome outcome = Judge(Sample.Ordinary, 143, ended: "no progress");
        Assert.Equal((4, 2, "no progress"), (outcome.Passed, outcome.Failed, outcome.Fault));
    }

    [Fact]
    public void An_exit_code_that_no_test_explains_is_a_failure()
    {
        using TemporaryFile passed = new(File.ReadAllText(Sample.Ordinary)
            .Replace("outcome=\"Failed\"", "outcome=\"Passed\"", StringComparison.Ordinal)
            .Replace("outcome=\"Error\"", "outcome=\"Warning\"", StringComparison.Ordinal));
        Assert.Equal(0, Judge(passed.Path, 0).Failed);
        Assert.Equal("ended with exit code 134\nits last words", Judge(passed.Path, 134).Fault);
    }

    [Fact]
    public void Not_one_test_is_a_failure()
    {
        using TemporaryFile empty = new("<TestRun xmlns=\"http://microsoft.com/schemas/VisualStudio/TeamTest/2010\"><Results /></TestRun>");
        Assert.StartsWith("not one test ran", Judge(empty.Path, 0).Fault, StringComparison.Ordinal);
    }

    private sealed class TemporaryFile : IDisposable
    {
        public TemporaryFile(string text) => File.WriteAllText(Path, text);

        public string Path { get; } = System.IO.Path.GetTempFileName();

        public void Dispose() => File.Delete(Path);
    }
}
