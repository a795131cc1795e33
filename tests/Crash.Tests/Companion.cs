using System.Globalization;
using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Crash.Tests;

/// <summary>What comes while a command about the same container, or the same ports, is halted in its midst.</summary>
/// <param name="Name">For tables.</param>
/// <param name="Run">Runs it.</param>
/// <param name="Judge">Throws where the codes that the halted command and this one ended with do not go together; 0 is success.</param>
public sealed partial record Companion(string Name, Func<Scene, Plugin, Outcome> Run, Action<int, int> Judge)
{
    public static Companion Delete { get; } = new("DEL", (scene, plugin) => Outcome.Of(plugin.Del(scene.Container, Scene.Victim, config: scene.VictimConfig)), BothSucceed);

    /// <summary>An update that has not begun when DEL does finds nothing.</summary>
    public static Companion DeleteUpdated { get; } = Delete with { Judge = (halted, own) => Require(halted is 0 or 3 or 11 && own == 0) };

    public static Companion Collect { get; } = new("GC", (_, plugin) => Outcome.Of(plugin.Gc([(Scene.Neighbour, "eth0")])), BothSucceed);

    public static Companion CollectStrays { get; } = new("gc", (_, plugin) => Outcome.Of(plugin.CommandLine("gc")), BothSucceed);

    /// <summary>Exactly one of two ADDs of the same gets its way.</summary>
    public static Companion AddToo { get; } = new("ADD of the same", Add, (halted, own) => Require((halted, own) is (0, 102) or (102, 0)));

    /// <summary>While it is being taken down, it is still there.</summary>
    public static Companion AddAgain { get; } = new("ADD again", Add, (halted, own) => Require(halted == 0 && own is 0 or 102));

    /// <summary>What the second DEL has made room for, the first one leaves alone.</summary>
    public static Companion DeleteAndAdd { get; } = new(
        "DEL, ADD again",
        (scene, plugin) => Outcome.Of(plugin.Del(scene.Container, Scene.Victim, config: scene.VictimConfig)) is { ExitCode: not 0 } failed ? failed : Add(scene, plugin),
        BothSucceed);

    public static Companion AddOtherOfTheSamePorts { get; } = new("ADD of another with all its ports", AddOther, (halted, own) => Require((halted, own) is (0, 101) or (101, 0)));

    /// <summary>It gets what is just being given back, but not what is owned when it comes.</summary>
    public static Companion AddAnHeir { get; } = new("ADD of another with all its ports", AddOther, (halted, own) => Require(halted == 0 && own is 0 or 101));

    public static Companion UpdateOtherwise { get; } = new(
        "update to others",
        (_, plugin) => Outcome.Of(plugin.CommandLine("update", Scene.Victim, "--ports", "31000,31001,31011")),
        (halted, own) => Require((halted, own) is (0, 0) or (0, 11) or (11, 0)));

    /// <summary>How long it may poll before it counts as waiting: far more switches than any command has that does not.</summary>
    private const int Patient = 60;

    // Both commands end by themselves, or are ended when they make no progress.
    private static readonly TimeSpan Limit = TimeSpan.MaxValue;

    private const string Shell = "echo $$ >\"$0\"; exec \"$@\"";

    /// <summary>Runs it beside the halted command, and lets that go on as soon as this one has ended or waits.</summary>
    /// <returns>How both ended.</returns>
    public (Outcome Halted, Outcome Own) RunBeside(Scene scene, Target target, int step)
    {
        ArgumentNullException.ThrowIfNull(scene);
        ArgumentNullException.ThrowIfNull(target);
        string directory = Directory.CreateTempSubdirectory("pmit-halt-").FullName;
        string marker = Path.Combine(directory, "halted"), id = Path.Combine(directory, "id");
        try
        {
            Task<Outcome> halted = Task.Run(() => scene.Stepped($"halt {step} {marker}", target.Run).Outcome);
            Wait.Until(() => File.Exists(marker) || halted.IsCompleted, $"step {step}", Limit);
            if (halted.IsCompleted)
            {
                throw new CellException($"it was not halted: {halted.Result}");
            }

            Task<Outcome> own = Task.Run(() => Run(scene, scene.Plugin.Through("sh", "-c", Shell, id)));
            Wait.Until(() => own.IsCompleted || IsWaiting(id), $"{Name} to end or to wait", Limit);
            scene.RequireSingleOwners();
            File.Delete(marker);
            Task.WaitAll(halted, own);
            Compare(halted.Result, own.Result);
            if ((this == AddAgain || this == DeleteAndAdd) && own.Result.Protocol is { Succeeded: true } added)
            {
                scene.Plugin.Keep(added, Scene.Victim);
            }
            else if (target == Target.Add && this == Delete && halted.Result.Protocol is { Succeeded: true } made)
            {
                // Which of both was seen to end first does not tell which came first.
                scene.Plugin.Keep(made, Scene.Victim);
            }

            return (halted.Result, own.Result);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private void Compare(Outcome halted, Outcome own)
    {
        try
        {
            Judge(Code(halted), Code(own));
        }
        catch (CellException)
        {
            throw new CellException($"it ended with {halted}\n  and {Name} with {own}");
        }
    }

    private static bool IsWaiting(string id)
    {
        try
        {
            string status = File.ReadAllText($"/proc/{File.ReadAllText(id).Trim()}/status");
            return Switches().Match(status) is { Success: true } found && int.Parse(found.Groups[1].ValueSpan, CultureInfo.InvariantCulture) > Patient;
        }
        catch (IOException)
        {
            return false; // Not started yet, or ended.
        }
    }

    private static int Code(Outcome outcome) => outcome.ExitCode == 0 ? 0 : outcome.ErrorCode ?? -1;

    private static Outcome Add(Scene scene, Plugin plugin) =>
        Outcome.Of(plugin.Add(scene.Container ?? scene.Renewed(), Scene.Victim, config: scene.VictimConfig));

    private static Outcome AddOther(Scene scene, Plugin plugin) =>
        Outcome.Of(plugin.Add(scene.NewContainer(), Scene.Other, config: scene.VictimConfig with { EphemeralPorts = "16384-17407" }));

    private static void BothSucceed(int halted, int own) => Require(halted == 0 && own == 0);

    private static void Require(bool expected)
    {
        if (!expected)
        {
            throw new CellException("unexpected codes");
        }
    }

    [GeneratedRegex(@"^voluntary_ctxt_switches:\s+(\d+)", RegexOptions.Multiline)]
    private static partial Regex Switches();
}
