using CniIsolator.Testbed;

namespace CniIsolator.Crash.Tests;

/// <summary>A command that is interrupted.</summary>
/// <param name="Name">For tables.</param>
/// <param name="Prepare">What there is before it.</param>
/// <param name="Run">The command itself.</param>
public sealed record Target(string Name, Action<Scene> Prepare, Func<Scene, Plugin, Outcome> Run)
{
    private static readonly string[] Change = ["--ports", "31000-31001,31010", "--ingress-rate", "2MB", "--egress-rate", "1MB"];

    public static Target Add { get; } = new("ADD", _ => { }, (scene, plugin) => Outcome.Of(plugin.Add(scene.Container!, Scene.Victim, config: scene.VictimConfig)));

    public static Target Delete { get; } = new("DEL", scene => scene.Attach(), (scene, plugin) => Outcome.Of(plugin.Del(scene.Container, Scene.Victim, config: scene.VictimConfig)));

    /// <summary>Ports and both rates; filters of the old ports and the new ones share a bucket, and one block is a part of another.</summary>
    public static Target Update { get; } = new("update", scene => scene.Attach(), (_, plugin) => Outcome.Of(plugin.CommandLine(["update", Scene.Victim, .. Change])));

    /// <summary>Of a container whose namespace has lost its path and lives on a while: the interface does not vanish at a moment of its own.</summary>
    public static Target CollectGarbage { get; } = new("GC", AttachAndLeave, (_, plugin) => Outcome.Of(plugin.Gc([(Scene.Neighbour, "eth0")])));

    /// <summary>It writes no intention: killed on the way, it leaves a record that CHECK finds fault with.</summary>
    public static Target Uninstall { get; } = new("uninstall", scene => scene.Attach(forever: false), (_, plugin) => Outcome.Of(plugin.CommandLine("uninstall", "--force")));

    private static void AttachAndLeave(Scene scene)
    {
        scene.Attach();
        scene.LeaveContainer();
    }
}
