using System.Diagnostics;

namespace CniIsolator.Run;

/// <summary>Runs projects side by side as the plan allows, and tells what goes on.</summary>
/// <param name="root">The repository.</param>
/// <param name="results">Where result files and logs go.</param>
/// <param name="durations">What earlier runs took.</param>
/// <param name="tell">Takes a line for whoever watches.</param>
public sealed class Campaign(string root, string results, Durations durations, Action<string> tell)
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(30);

    // A project may take longer than the last time. Then it is as good as done until it is.
    private static readonly TimeSpan Overdue = TimeSpan.FromSeconds(10);

    private readonly List<RunningProject> _running = [];
    private readonly List<TestProject> _waiting = [];
    private readonly List<(TimeSpan Expected, TimeSpan Took)> _ended = [];

    public int Slots { get; init; } = Plan.Slots;

    public TimeSpan MostSilence { get; init; } = TimeSpan.FromMinutes(8);

    public string? Filter { get; init; }

    /// <summary>Runs them all; cancelling ends what runs.</summary>
    public List<ProjectOutcome> Run(IEnumerable<TestProject> projects, CancellationToken cancelled)
    {
        _waiting.AddRange(projects);
        List<ProjectOutcome> outcomes = [];
        Stopwatch beat = Stopwatch.StartNew();
        tell($"{_waiting.Count} projects and parts of projects, {Slots} at a time; {Left()}");
        try
        {
            while (_waiting.Count + _running.Count > 0)
            {
                cancelled.ThrowIfCancellationRequested();
                StartWhatMay();
                foreach (RunningProject silent in _running.Where(one => !one.HasExited && one.Silence > MostSilence))
                {
                    tell($"ending   {silent.Project.Name}: no progress for {MostSilence.TotalMinutes:0.#} min");
                    silent.End($"ended, as no test ended and nothing was printed for {MostSilence.TotalMinutes:0.#} minutes");
                }

                foreach (RunningProject ended in _running.Where(one => one.HasExited).ToArray())
                {
                    outcomes.Add(Finish(ended));
                    beat.Restart();
                }

                if (beat.Elapsed > Beat)
                {
                    beat.Restart();
                    tell($"{_running.Count} running: {string.Join(", ", _running.Select(Progress))}; {Left()}");
                }

                cancelled.WaitHandle.WaitOne(Look);
            }
        }
        finally
        {
            _running.ForEach(one => one.End(why: null));
            _running.ForEach(one => one.Dispose());
        }

        return outcomes;
    }

    private void StartWhatMay()
    {
        while (Schedule.Next(Schedule.Order(_waiting.Select(Whole)), [.. _running.Select(one => one.Project.Plan)], Slots) is { } next)
        {
            TestProject project = _waiting.First(one => one.Plan == next.Project);
            _waiting.Remove(project);
            tell($"started  {project.Name}");
            _running.Add(RunningProject.Start(project, root, results, Filter));
        }
    }

    private ProjectOutcome Finish(RunningProject ended)
    {
        _running.Remove(ended);
        using (ended)
        {
            ProjectOutcome outcome = ended.Outcome();
            _ended.Add((Whole(ended.Project).Left, outcome.Time));
            if (outcome.Fault is null && Filter is null)
            {
                durations.Set(outcome.Project, outcome.Time, outcome.Tests.Count);
            }

            string left = _running.Count + _waiting.Count > 0 ? "; " + Left() : "";
            string verdict = outcome.Failed > 0 ? "FAILED  " : "passed  ";
            tell($"{verdict} {outcome.Project}: {Summary.Counts([outcome])}, {Summary.Seconds(outcome.Time)}{left}");
            return outcome;
        }
    }

    private string Progress(RunningProject running)
    {
        int known = durations.Of(running.Project.Plan).Tests;
        string note = running.Output.Note is { Length: > 0 } said ? $": {said}" : "";
        return $"{running.Project.Name} ({running.Output.Ended} of ~{Math.Max(known, running.Output.Ended)}{note})";
    }

    private Expected Whole(TestProject project) => new(project.Plan, TimeSpan.FromSeconds(durations.Of(project.Plan).Seconds));

    private string Left()
    {
        double slowness = Schedule.Slowness(
            [.. _ended, .. _running.Select(one => (Expected: Whole(one.Project).Left, Took: one.Time)).Where(one => one.Took > one.Expected)]);
        IEnumerable<Expected> running = _running.Select(one =>
        {
            TimeSpan left = (slowness * Whole(one.Project).Left) - one.Time;
            return new Expected(one.Project.Plan, left > Overdue ? left : Overdue);
        });
        TimeSpan total = Schedule.Left(running, _waiting.Select(one => new Expected(one.Plan, slowness * Whole(one).Left)), Slots);
        return total < TimeSpan.FromMinutes(1) ? "less than a minute left" : $"about {Math.Round(total.TotalMinutes)} min left";
    }
}
