using System.Collections.Concurrent;
using Xunit.Abstractions;

namespace CniIsolator.Crash.Tests;

/// <summary>
/// Each command is killed behind each of its steps. Whatever comes next works, nothing is left once everybody has been taken down, and at no
/// time has a port two owners.
/// </summary>
public sealed class KillTests(ITestOutputHelper output)
{
    private static readonly Follower[] AfterAttaching =
    [
        Follower.Delete, Follower.DeleteWithoutNamespace, Follower.CollectDead, Follower.CollectAlive, Follower.AddAgain, Follower.AddOther,
        Follower.AddOtherOfTheSamePorts, Follower.Reboot,
    ];

    [Fact]
    public void ADD() => Play(Target.Add, [Follower.DeleteAndAdd, .. AfterAttaching]);

    [Fact]
    public void ADD_beside_another() => Play(Target.Add, [Follower.Delete, Follower.CollectAlive, Follower.AddAgain, Follower.AddOther], beside: true);

    [Fact]
    public void DEL() => Play(Target.Delete, AfterAttaching);

    [Fact]
    public void DEL_beside_another() => Play(Target.Delete, [Follower.Delete, Follower.CollectDead, Follower.AddAgain, Follower.AddOther], beside: true);

    [Fact]
    public void Update() => Play(Target.Update, [Follower.UpdateAgain, Follower.UpdateOtherwise, Follower.AddOfChangedPorts, .. AfterAttaching]);

    [Fact]
    public void GC() => Play(
        Target.CollectGarbage,
        [Follower.CollectAgain, Follower.Delete, Follower.AddAgain, Follower.AddOther, Follower.AddOtherOfTheSamePorts, Follower.Reboot]);

    [Fact]
    public void GC_beside_another() => Play(Target.CollectGarbage, [Follower.CollectAgain, Follower.AddAgain, Follower.AddOther], beside: true);

    [Fact]
    public void Uninstall() => Play(Target.Uninstall, [Follower.UninstallAgain, Follower.Delete, Follower.AddAgain, Follower.AddOther]);

    [Fact]
    public void Repair() => Play(Target.Repair, [Follower.RepairAgain, Follower.Delete, Follower.AddOtherAndRepair]);

    private void Play(Target target, Follower[] followers, bool beside = false)
    {
        List<Step> all = Steps.Of(target, beside);
        Step[] rows = [.. all.Where(step => step.Changes)];
        ConcurrentDictionary<Step, bool> inspected = new();
        Grid grid = new($"{target.Name}{(beside ? " beside another" : "")} kill", () => new Scene(beside), (scene, step, name) =>
        {
            scene.Begin();
            target.Prepare(scene);
            (Outcome outcome, List<Step> done) = scene.Stepped($"kill {step.Number}", target.Run);
            Step last = done.FindLast(one => !one.IsReceive)!;
            if (outcome.ExitCode != Stepper.Killed || last != step)
            {
                throw new CellException($"it ended with {outcome}, at step {last.Number} {last.What}");
            }

            scene.RequireSingleOwners();
            if (inspected.TryAdd(step, true))
            {
                target.Inspect(scene);
            }

            string said = followers.Single(follower => follower.Name == name).Run(scene);
            scene.CleanUp();
            return said;
        });
        grid.Play(rows, [.. followers.Select(follower => follower.Name)], (step, name) => SameStore(rows, step, followers.Single(one => one.Name == name)), output);
    }

    /// <summary>A new kernel knows nothing of the old one's steps: then only those matter that the store shows.</summary>
    private static string? SameStore(Step[] rows, Step step, Follower follower)
    {
        int index = Array.IndexOf(rows, step);
        return follower.OfTheStore && index > 0 && !step.ChangesStore
            ? $"as {rows[..index].LastOrDefault(one => one.ChangesStore, rows[0]).Number}"
            : null;
    }
}
