using System.Text.RegularExpressions;
using Xunit.Abstractions;

namespace CniIsolator.Crash.Tests;

/// <summary>
/// From a step of ADD on, everything of its sort fails, what takes it back as well. ADD ends with one error; no filter leads to a container whose
/// ports are free; and once the fault is over, whatever comes next puts all of it right.
/// </summary>
public sealed partial class LastingErrorTests(ITestOutputHelper output)
{
    private static readonly (string Name, int Number)[] Errors = [("ENOSPC", 28), ("EIO", 5), ("EROFS", 30), ("EPERM", 1), ("EBUSY", 16)];

    // In turns: each follows every sort of step.
    private static readonly Follower[] Followers =
        [Follower.DeleteAndAdd, Follower.CollectDead, Follower.AddAgain, Follower.AddOther, Follower.AddOtherOfTheSamePorts];

    [Fact]
    public void ADD()
    {
        List<Step> all = Steps.Of(Target.Add, beside: false);
        int committed = all.FindLastIndex(step => step.What.StartsWith("rename", StringComparison.Ordinal));
        Step[] rows = [.. all.Where(step => ErrorsOf(step).Length > 0)];
        Grid grid = new("ADD lasting error", () => new Scene(), (scene, step, name) =>
        {
            int error = Array.FindIndex(Errors, one => one.Name == name);
            scene.Begin();
            (Outcome outcome, _) = scene.Stepped($"error-from {step.Number} {Errors[error].Number}", Target.Add.Run);
            string said = ErrorReport.Read(outcome, step, Errors[error].Number, lasts: true);
            if (outcome.ExitCode == 0)
            {
                string what = all.IndexOf(step) > committed ? "the log only" : throw new CellException($"success, and no reason is known why that is right: {outcome}");
                scene.RequireState("ready");
                scene.Plugin.Check(scene.Container!, Scene.Victim, config: scene.VictimConfig).Require();
                scene.CleanUp();
                return what;
            }

            RequireOwner(scene, outcome);
            Follower follower = Followers[(Array.IndexOf(rows, step) + error) % Followers.Length];
            said = $"{said} ({scene.State(Scene.Victim) ?? "no record"}; {follower.Name}) {follower.Run(scene)}";
            scene.CleanUp();
            return said;
        });
        grid.Play(rows, [.. Errors.Select(error => error.Name)], (step, name) => ErrorsOf(step).Contains(name) ? null : "", output);
    }

    /// <summary>The faults that last: a full or read-only disk, /proc/sys that is read-only, a kernel that forbids or refuses.</summary>
    private static string[] ErrorsOf(Step step) => step switch
    {
        { Kind: "file", Changes: true } => ["ENOSPC", "EIO", "EROFS"],
        { Kind: "sysctl" or "sysctl-open" } => ["EROFS"],
        { Kind: "change" or "query" } => ["EPERM", "EBUSY"],
        _ => [],
    };

    /// <summary>While a filter leads to the container, or its interface is there, its ports are reserved, and the error says so.</summary>
    private static void RequireOwner(Scene scene, Outcome outcome)
    {
        string[] left = [.. OfContainer().Matches(HostState.Read(scene.Host)).Select(match => match.Value).Distinct()];
        if (left.Length == 0)
        {
            return;
        }

        if (scene.State(Scene.Victim) is not ("deleting" or "creating"))
        {
            throw new CellException($"{string.Join(", ", left)} on the host, but {Scene.Victim} is {scene.State(Scene.Victim) ?? "without a record"}: {outcome}");
        }

        if (outcome.Protocol?.ErrorDetails?.Contains("roll-back is incomplete", StringComparison.Ordinal) != true)
        {
            throw new CellException($"no word of {string.Join(", ", left)}, which are left: {outcome}");
        }
    }

    // An interface that is gone has an asterisk for its name.
    [GeneratedRegex(@"(?:Redirect|Mirror) to device (?:pmi\w+|\*)|^\d+: pmi\w+", RegexOptions.Multiline)]
    private static partial Regex OfContainer();
}
