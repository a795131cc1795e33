using Xunit.Abstractions;

namespace CniIsolator.Crash.Tests;

/// <summary>
/// Each step of a command is made to fail. The command ends with one error that says what failed, and what it had done is undone, or is
/// finished by the same command once more; or it succeeds, where there is a reason why the failure does not matter.
/// </summary>
public sealed class ErrorTests(ITestOutputHelper output)
{
    private static readonly (string Name, int Number)[] Errors =
    [
        ("ENOSPC", 28), ("EIO", 5), ("EROFS", 30), ("ENOLCK", 37), ("EINTR", 4), ("EPERM", 1), ("ENOBUFS", 105), ("EBUSY", 16), ("ENODEV", 19), ("EMFILE", 24), ("EPIPE", 32),
    ];

    private static readonly Dictionary<string, string[]> ErrorsOf = new()
    {
        ["file"] = ["ENOSPC", "EIO", "EROFS"],
        ["lock"] = ["EIO", "ENOLCK", "EINTR"],
        ["unlock"] = ["EIO"],
        ["sysctl"] = ["EIO", "EROFS", "EPERM"],
        ["sysctl-open"] = ["EROFS", "EPERM"],
        ["change"] = ["EINTR", "EPERM", "ENOBUFS", "EBUSY", "ENODEV"],
        ["query"] = ["EINTR", "EPERM", "ENOBUFS", "EBUSY", "ENODEV"],
        ["receive"] = ["EINTR", "ENOBUFS"],
        ["socket"] = ["ENOBUFS", "EMFILE"],
        ["namespace"] = ["EPERM"],
        ["bpf"] = ["EPERM"],
        ["stdout"] = ["ENOSPC", "EIO", "EPIPE"],
    };

    [Fact]
    public void ADD() => Play(Target.Add, (scene, outcome, inside) =>
    {
        if (outcome.ExitCode == 0)
        {
            scene.Plugin.Check(scene.Container!, Scene.Victim, config: scene.VictimConfig).Require();
            return;
        }

        // A note of what the host is like without any attachment is written anew by the next ADD, or removed by DEL.
        if (Directory.Exists(scene.Store) && Scene.RecordsOf(scene.Store).Length == 0)
        {
            File.Delete(Path.Combine(scene.Store, "host.json"));
        }

        scene.RequireUnchanged("after the failed ADD");

        // One whose result could not be delivered is taken down as by DEL, which leaves the sysctls of a namespace as they are.
        if (outcome.Output.Length > 0 && HostState.Difference(inside, HostState.Read(scene.Container!)) is { Length: > 0 } difference)
        {
            throw new CellException($"after the failed ADD, the container has changed:\n{difference}");
        }
    });

    [Fact]
    public void DEL() => Play(Target.Delete, (scene, outcome, _) =>
    {
        if (outcome.ExitCode != 0)
        {
            scene.Plugin.Del(scene.Container, Scene.Victim).Require();
        }

        scene.RequireUnchanged(outcome.ExitCode == 0 ? "after a DEL that reports success" : "after the second DEL");
    });

    [Fact]
    public void Update() => Play(Target.Update, (scene, outcome, _) =>
    {
        if (scene.State(Scene.Victim) == "changing" && outcome.ExitCode != 0)
        {
            // Only where taking it back could not be written; the next one does.
            Follower.UpdateAgain.Run(scene);
            throw new CellException($"not taken back: {outcome}");
        }

        scene.RequireState("ready");
        scene.CheckVictim();
        bool changed = (int)scene.Record(Scene.Victim)!["ports"]!["fixed"]![0]!["end"]! == 31001;
        if (changed != (outcome.ExitCode == 0))
        {
            throw new CellException($"the ports are {(changed ? "the new ones" : "the old ones")}: {outcome}");
        }
    });

    [Fact]
    public void GC() => Play(Target.CollectGarbage, (scene, outcome, _) =>
    {
        if (outcome.ExitCode != 0)
        {
            scene.Plugin.Gc([]).Require();
        }

        scene.RequireState(null);
    });

    [Fact]
    public void Uninstall() => Play(Target.Uninstall, (scene, outcome, _) =>
    {
        if (outcome.ExitCode != 0)
        {
            Follower.UninstallAgain.Run(scene);
        }

        scene.RequireUnchanged("after uninstall");
    });

    /// <summary>Why a command may succeed although this failed; null where it may not.</summary>
    private static string? Harmless(Target target, Step step, int error, bool inside) => step switch
    {
        _ when inside && target != Target.Add && target != Target.Update => "inside the container, which cannot keep the host from taking it down",
        { Kind: "change" } when target == Target.Add => "made once more, and CHECK finds all of it",
        _ when error == 4 && step.Kind is "receive" or "lock" => "tried again",
        { Kind: "unlock" } => "closing the file releases the lock",
        { Kind: "bpf" } => "the host's stack drops what the program would",
        { What: var what } when what.Contains("plugin.log", StringComparison.Ordinal) || what.EndsWith(" .", StringComparison.Ordinal) => "the log only",
        { What: var what } when what.Contains("networks.json", StringComparison.Ordinal) => "a note for metrics only",
        { What: var what } when what.Contains("freed.json", StringComparison.Ordinal) => "a preference only",
        { Kind: "stdout" } when target != Target.Add => "nobody reads it",
        { What: var what } when IsUnwritable(error) && (what.EndsWith("store/lock", StringComparison.Ordinal) || what.EndsWith("store/host.lock", StringComparison.Ordinal)) => "a lock is held by a descriptor that reads, or that of the directory, as well",
        _ when BlocksNothing(target, step, error) => "a full or read-only store keeps nothing from being taken down",
        { What: var what } when what.StartsWith("RTM_GETNEIGH", StringComparison.Ordinal) => "ARP finds it out",
        _ => null,
    };

    private static bool IsUnwritable(int error) => error is 28 or 30; // ENOSPC, EROFS

    private static bool BlocksNothing(Target target, Step step, int error) =>
        (target == Target.Delete || target == Target.CollectGarbage || target == Target.Uninstall)
        && IsUnwritable(error) && step.Kind == "file" && (step.What.Contains("store/", StringComparison.Ordinal) || step.What == "rmdir store");

    private void Play(Target target, Action<Scene, Outcome, string> judge)
    {
        List<Step> all = Steps.Of(target, beside: false);
        HashSet<Step> inside = InsideContainer(all);
        int committed = target == Target.Update ? all.FindLastIndex(step => step.What.StartsWith("rename", StringComparison.Ordinal)) : int.MaxValue;
        Step[] rows = [.. all];
        Grid grid = new($"{target.Name} error", () => new Scene(), (scene, step, name) =>
        {
            int error = Errors.Single(one => one.Name == name).Number;
            scene.Begin();
            string container = "";
            if (target == Target.Add)
            {
                // A loopback that has been up keeps its queue, and one without an address cannot get that back.
                scene.Container!.IpBatch("link set lo address 02:00:00:00:00:0c", "link set lo up", "link set lo down");
                container = HostState.Read(scene.Container);
            }

            target.Prepare(scene);
            (Outcome outcome, _) = scene.Stepped($"{(step.IsReceive ? "recv-error" : "error")} {step.Number} {error}", target.Run);
            string said = ErrorReport.Read(outcome, step, error);
            if (outcome.ExitCode == 0)
            {
                said = (all.IndexOf(step) > committed ? "the change is made and written; only to show it failed" : Harmless(target, step, error, inside.Contains(step))) ?? throw new CellException($"success, and no reason is known why that is right: {outcome}");
            }

            if (outcome.ExitCode == 0 && BlocksNothing(target, step, error) && Directory.Exists(scene.Store))
            {
                // A file that could not be removed stands for nothing: the same once more has it off.
                outcome = target.Run(scene, scene.Plugin);
                Assert.True(outcome.ExitCode == 0, $"once more: {outcome}");
            }

            judge(scene, outcome, container);
            scene.CleanUp();
            return said;
        });
        grid.Play(rows, [.. Errors.Select(error => error.Name)], (step, name) => Skipped(step, name), output);
    }

    private static string? Skipped(Step step, string error) =>
        !ErrorsOf[step.Kind].Contains(error) ? ""
        : error == "ENODEV" && (step.Kind == "query" || step.What.StartsWith("RTM_DEL", StringComparison.Ordinal)) ? "means that it is gone"
        : null;

    /// <summary>Steps of a thread that has entered the container's namespace: from there to the next file, which is the host's again.</summary>
    private static HashSet<Step> InsideContainer(IEnumerable<Step> steps)
    {
        HashSet<Step> found = [];
        bool inside = false;
        foreach (Step step in steps)
        {
            inside = step.What == "setns" || (inside && step.Kind != "file");
            if (inside)
            {
                found.Add(step);
            }
        }

        return found;
    }
}
