namespace CniIsolator.Run.Tests;

public sealed class ResultFileTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("run-tests-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void Each_test_has_its_own_outcome_and_message()
    {
        (List<TestOutcome> tests, string? aborted) = ResultFile.Read(Sample.Ordinary);
        Assert.Null(aborted);
        Assert.Equal(
            [
                ("Sample.Some.Fails_and_looks_like_two", Verdict.Failed),
                ("Sample.Some.Is_skipped", Verdict.Skipped),
                ("Sample.Some.Passes", Verdict.Passed),
                ("Sample.Some.Passes_with(what: \"a\\\"b\")", Verdict.Passed), ("Sample.Some.Passes_with(what: \"c<d\")", Verdict.Passed),
                ("Sample.Some.Takes_a_while", Verdict.Passed),
            ],
            tests.Select(test => (test.Name, test.Verdict)).OrderBy(test => test.Name, StringComparer.Ordinal));
        TestOutcome failed = tests.Single(test => test.Verdict == Verdict.Failed);
        Assert.StartsWith("first line\n</Message></ErrorInfo>", failed.Message, StringComparison.Ordinal);
        Assert.EndsWith("1 passed, 0 failed, 0 skipped", failed.Message, StringComparison.Ordinal);
        Assert.Equal("no such device here, <none>", tests.Single(test => test.Verdict == Verdict.Skipped).Message);
        Assert.All(tests.Where(test => test.Verdict == Verdict.Passed), test => Assert.Equal("", test.Message));
        Assert.InRange(tests.Single(test => test.Name.EndsWith("Takes_a_while", StringComparison.Ordinal)).Duration.TotalSeconds, 1.5, 1.7);
    }

    [Fact]
    public void A_crash_is_told_of()
    {
        (List<TestOutcome> tests, string? aborted) = ResultFile.Read(Sample.Crash);
        Assert.Empty(tests);
        Assert.StartsWith("The active test run was aborted. Reason: Test host process crashed", aborted, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("<TestRun xmlns=\"http://microsoft.com/schemas/VisualStudio/TeamTest/2010\"><Results>")]
    [InlineData("<html/>")]
    public void What_is_no_whole_result_file_is_refused(string text)
    {
        string path = Path.Combine(_directory.FullName, "x.trx");
        File.WriteAllText(path, text);
        Assert.Contains("no result file", Assert.Throws<InvalidDataException>(() => ResultFile.Read(path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Timeout")]
    [InlineData("Aborted")]
    [InlineData("Inconclusive")]
    [InlineData("SomethingNew")]
    public void Only_what_says_that_it_passed_has_passed(string outcome)
    {
        string path = Path.Combine(_directory.FullName, "x.trx");
        File.WriteAllText(path, File.ReadAllText(Sample.Ordinary).Replace("outcome=\"Passed\"", $"outcome=\"{outcome}\"", StringComparison.Ordinal));
        Assert.Equal(5, ResultFile.Read(path).Tests.Count(test => test.Verdict == Verdict.Failed));
    }
}
