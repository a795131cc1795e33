using Xunit.Abstractions;

namespace CniIsolator.Crash.Tests;

/// <summary>
/// Each command is halted behind each of its steps, and another one comes for the same container, or for its ports, before it goes on. Both end as
/// if one had come after the other: what is there in the end is whole, and what is gone has left nothing.
/// </summary>
public sealed class MeanwhileTests(ITestOutputHelper output)
{
    [Fact]
    public void ADD() => Play(Target.Add, Companion.Delete, Companion.AddToo, Companion.AddOtherOfTheSamePorts, Companion.Collect, Companion.CollectStrays);

    [Fact]
    public void DEL() => Play(Target.Delete, Companion.Delete, Companion.DeleteAndAdd, Companion.AddAgain, Companion.AddAnHeir, Companion.CollectStrays);

    [Fact]
    public void Update() => Play(Target.Update, Companion.DeleteUpdated, Companion.UpdateOtherwise, Companion.CollectStrays);

    [Fact]
    public void GC() => Play(Target.CollectGarbage, Companion.Delete, Companion.DeleteAndAdd, Companion.AddAgain, Companion.CollectStrays);

    private void Play(Target target, params Companion[] companions)
    {
        Step[] rows = Steps.ToHaltAt(Steps.Of(target, beside: false).Where(step => step.Changes));
        Grid grid = new($"{target.Name} meanwhile", () => new Scene(), (scene, step, name) =>
        {
            scene.Begin();
            target.Prepare(scene);
            Companion companion = companions.Single(one => one.Name == name);
            bool attached = scene.State(Scene.Victim) is not null;
            (Outcome halted, Outcome own) = companion.RunBeside(scene, target, step.Number);
            scene.RequireSingleOwners();
            RequireWhole(scene, Scene.Victim);
            RequireWhole(scene, Scene.Other);
            if (attached && companion.Name == Companion.Delete.Name)
            {
                scene.RequireState(null);
            }

            string state = scene.State(Scene.Victim) ?? "gone";
            scene.CleanUp();
            return $"{halted.ExitCode} {own.ExitCode}, {state}";
        });
        grid.Play(rows, [.. companions.Select(companion => companion.Name)], (_, _) => null, output);
    }

    /// <summary>What has a record has all that CHECK looks for; what has none has no interface.</summary>
    private static void RequireWhole(Scene scene, string id)
    {
        if (scene.State(id) is { } state)
        {
            if (state != "ready")
            {
                throw new CellException($"{id} is {state}");
            }

            scene.Check(id);
        }
        else if (id == Scene.Victim && scene.Container?.Ip("-o link show").Contains("eth0", StringComparison.Ordinal) == true)
        {
            throw new CellException($"{id} has no record, and an interface");
        }
    }
}
