using System.Diagnostics;

namespace CniIsolator.Testbed.Tests;

public sealed class ProgressBoundTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(400);

    [Fact]
    public void Who_does_nothing_is_found()
    {
        using Process process = Process.Start("sleep", "1000");
        try
        {
            ProgressBound bound = new(process.Id, Limit);
            Wait.Until(bound.IsExceeded, "one that sleeps to be taken for hanging");
        }
        finally
        {
            process.Kill();
        }
    }

    /// <summary>Many looks and no verdict: only the time behind which even one that is busy is taken for running in circles brings it.</summary>
    [Theory]
    [InlineData("while :; do :; done")]
    [InlineData("(while :; do :; done) & wait")]
    [InlineData("while :; do sleep 0.01; done")]
    public void Who_goes_on_or_has_a_child_that_does_is_left_alone(string script)
    {
        using Process process = Process.Start(new ProcessStartInfo("sh", ["-c", $"trap 'kill $! 2>/dev/null; exit' TERM; {script}"]))!;
        try
        {
            ProgressBound bound = new(process.Id, TimeSpan.FromHours(1));
            HashSet<string> seen = [];
            Wait.Until(() => !bound.IsExceeded() && seen.Add(bound.Seen) && seen.Count > 3, $"{script} to be seen moving");
        }
        finally
        {
            CommandResult.Run("kill", "-TERM", $"{process.Id}").Require();
            Wait.Until(() => process.HasExited, "the shell to end");
        }
    }

    [Fact]
    public void A_command_that_does_nothing_for_its_limit_is_ended_and_says_so()
    {
        CommandResult ended = CommandResult.RunIn("", Limit, "sleep", "1000");
        Assert.Equal(-1, ended.ExitCode);
        Assert.Contains("no progress", ended.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_command_that_goes_on_may_take_many_limits()
    {
        CommandResult ended = CommandResult.RunIn("", TimeSpan.FromMilliseconds(500), "sh", "-c", "i=0; while [ $i -lt 20 ]; do sleep 0.05; i=$((i+1)); done; echo done");
        Assert.Equal("done", ended.Require().Trim());
    }
}
