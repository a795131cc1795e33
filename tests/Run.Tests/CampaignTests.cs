namespace CniIsolator.Run.Tests;

/// <summary>Scripts in the place of test projects.</summary>
public sealed class CampaignTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("run-tests-");
    private readonly List<string> _told = [];

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void All_run_and_each_has_its_own_result()
    {
        List<ProjectOutcome> outcomes = Run(
            Script("Good.Tests", $"sed 's/outcome=\"Failed\"/outcome=\"Passed\"/; s/outcome=\"Error\"/outcome=\"Warning\"/' {Sample.Ordinary} >$trx"),
            Script("Bad.Tests", $"cp {Sample.Ordinary} $trx; exit 1"),
            Script("Gone.Tests", "echo its last words; exit 139"));
        Assert.Equal((5, 0, 1), Counts("Good.Tests"));
        Assert.Equal((4, 1, 1), Counts("Bad.Tests"));
        Assert.Equal((0, 1, 0), Counts("Gone.Tests"));
        Assert.Contains("its last words", outcomes.Single(one => one.Project == "Gone.Tests").Fault, StringComparison.Ordinal);
        Assert.Equal(3, _told.Count(line => line.StartsWith("started", StringComparison.Ordinal)));
        Assert.Equal(2, _told.Count(line => line.StartsWith("FAILED", StringComparison.Ordinal)));
        Assert.Single(_told, line => line.StartsWith("passed   Good.Tests: 5 passed, 0 failed, 1 skipped", StringComparison.Ordinal));

        // A project that did not come to its end says nothing of how long it takes.
        Durations durations = Remembered();
        Assert.Equal([6, 6, 1], ((string[])["Good.Tests", "Bad.Tests", "Gone.Tests"]).Select(name => durations.Of(Plan(name)).Tests));

        (int, int, int) Counts(string name) =>
            outcomes.Where(one => one.Project == name).Select(one => (one.Passed, one.Failed, one.Skipped)).Single();
    }

    /// <summary>One that prints something goes on, however long it takes; one that does not is ended with all that it has started.</summary>
    [Fact]
    public void What_makes_no_progress_is_ended_and_named()
    {
        string child = Path.Combine(_directory.FullName, "child");
        const string Long = "[xUnit.net 00:01:00] T: [Long Running Test] 'A.B.Hangs', Elapsed: 00:01:00";
        ProjectOutcome outcome = Run(Script("Silent.Tests", $"echo \"{Long}\"; sleep 1000 & echo $! >{child}; wait")).Single();
        Assert.Equal(1, outcome.Failed);
        Assert.Contains("A.B.Hangs, for 00:01:00", outcome.Fault, StringComparison.Ordinal);
        Assert.Contains("sleep 1000", outcome.Fault, StringComparison.Ordinal);
        Assert.True(HasEnded(File.ReadAllText(child).Trim()));
        Assert.Contains(_told, line => line.StartsWith("ending   Silent.Tests: no progress", StringComparison.Ordinal));
    }

    [Fact]
    public void A_damaged_note_of_earlier_runs_is_passed_over()
    {
        File.WriteAllText(Path.Combine(_directory.FullName, "durations.json"), "{ half");
        Assert.Equal(7, Remembered().Of(new ProjectPlan("Some.Tests", 7, 1)).Seconds);
    }

    /// <summary>Somebody else may still have to fetch its exit code.</summary>
    private static bool HasEnded(string id)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return true;
        }
    }

    private static ProjectPlan Plan(string name) => new(name, 1, 1);

    private Durations Remembered() => new(Path.Combine(_directory.FullName, "durations.json"));

    private List<ProjectOutcome> Run(params TestProject[] projects)
    {
        Campaign campaign = new(_directory.FullName, _directory.FullName, Remembered(), _told.Add) { MostSilence = TimeSpan.FromSeconds(2) };
        return campaign.Run(projects, CancellationToken.None);
    }

    private TestProject Script(string name, string commands)
    {
        string path = Path.Combine(_directory.FullName, $"{name}.sh");
        File.WriteAllText(path, $"#!/bin/sh\ntrx={_directory.FullName}/{name}.trx\n{commands}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return new TestProject(Plan(name) with { Script = path }, "");
    }
}
