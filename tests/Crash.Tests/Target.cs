using CniIsolator.Testbed;

namespace CniIsolator.Crash.Tests;

/// <summary>A command that is interrupted.</summary>
/// <param name="Name">For tables.</param>
/// <param name="Prepare">What there is before it.</param>
/// <param name="Run">The command itself.</param>
public sealed record Target(string Name, Action<Scene> Prepare, Func<Scene, Plugin, Outcome> Run)
{
    /// <summary>What must be true of a host on which it was killed, whatever comes next.</summary>
    public Action<Scene> Inspect { get; init; } = _ => { };

    private static readonly string[] Change = ["--ports", "31000-31001,31010", "--ingress-rate", "2MB", "--egress-rate", "1MB"];

    public static Target Add { get; } = new("ADD", _ => { }, (scene, plugin) => Outcome.Of(plugin.Add(scene.Container!, Scene.Victim, config: scene.VictimConfig)));

    public static Target Delete { get; } = new("DEL", scene => scene.Attach(), (scene, plugin) => Outcome.Of(plugin.Del(scene.Container, Scene.Victim, config: scene.VictimConfig)));

    /// <summary>Ports and both rates; filters of the old ports and the new ones share a bucket, and one block is a part of another.</summary>
    public static Target Update { get; } = new("update", scene => scene.Attach(), (_, plugin) => Outcome.Of(plugin.CommandLine(["update", Scene.Victim, .. Change])))
    {
        Inspect = scene => PassingPorts.Require(scene, had: [31000, 31005], gets: [31000, 31001, 31010]),
    };

    /// <summary>Of a container whose namespace has lost its path and lives on a while: the interface does not vanish at a moment of its own.</summary>
    public static Target CollectGarbage { get; } = new("GC", AttachAndLeave, (_, plugin) => Outcome.Of(plugin.Gc([(Scene.Neighbour, "eth0")])));

    /// <summary>Of a container that has to follow the host to another address.</summary>
    public static Target Repair { get; } = new("repair", AttachAndReplaceAddress, (_, plugin) => Outcome.Of(plugin.CommandLine("repair", "--all")));

    public static Target Uninstall { get; } = new("uninstall", scene => scene.Attach(), (_, plugin) => Outcome.Of(plugin.CommandLine("uninstall", "--force")));

    private static void AttachAndReplaceAddress(Scene scene)
    {
        // Until it is repaired, CHECK finds fault with it.
        scene.Attach(forever: false);
        scene.ReplaceAddress();
    }

    private static void AttachAndLeave(Scene scene)
    {
        scene.Attach();
        scene.LeaveContainer();
    }
}
