using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Crash.Tests;

/// <summary>What a runtime or an operator does after a command was killed. Throws where that does not work as it should.</summary>
/// <param name="Name">For tables.</param>
/// <param name="Run">Returns what is to be said about it; empty where all is as usual.</param>
/// <param name="OfTheStore">Whether only the store decides, so that kills between which it stays the same need not all be tried.</param>
public sealed record Follower(string Name, Func<Scene, string> Run, bool OfTheStore = false)
{
    public static Follower Delete { get; } = new("DEL", scene =>
    {
        Namespace? container = scene.Container;
        scene.Plugin.Del(container, Scene.Victim).Require();
        Gone(scene);
        return container is null ? "" : Inside(container);
    });

    /// <summary>The namespace lives on, and is attached once more: what DEL leaves in it is in nobody's way.</summary>
    public static Follower DeleteAndAdd { get; } = new("DEL, ADD in the same namespace", scene =>
    {
        Delete!.Run(scene);
        Attached(scene, scene.Container!, Scene.Victim, scene.Plugin.Add(scene.Container!, Scene.Victim, config: scene.VictimConfig), scene.VictimConfig);
        return "";
    });

    public static Follower DeleteWithoutNamespace { get; } = new("DEL without netns", scene =>
    {
        scene.Plugin.Del(null, Scene.Victim).Require();
        return Gone(scene);
    });

    public static Follower CollectDead { get; } = new("namespace gone, GC", scene =>
    {
        scene.EndContainer();
        Collect(scene);
        return Gone(scene);
    });

    public static Follower CollectAlive { get; } = new("GC while alive", scene =>
    {
        string? before = scene.State(Scene.Victim);
        Collect(scene);
        if (before is "ready" or "changing")
        {
            scene.RequireState(before);
        }

        if (before == "ready")
        {
            scene.CheckVictim();
        }

        return before is null ? "" : scene.State(Scene.Victim) is null ? $"was {before}, is collected" : $"{before}, stays";
    });

    public static Follower AddAgain { get; } = new("ADD again", scene =>
    {
        string? before = scene.State(Scene.Victim);
        Namespace container = scene.Container ?? scene.Renewed();
        PluginResult result = scene.Plugin.Add(container, Scene.Victim, config: scene.VictimConfig);
        if (before is "ready" or "changing" && !result.Succeeded)
        {
            // It has what it asks for. A runtime that does not know takes it down first.
            if (result.ErrorCode != 102)
            {
                throw new CellException($"of one that is attached: {result}");
            }

            scene.Plugin.Del(container, Scene.Victim).Require();
            result = scene.Plugin.Add(container, Scene.Victim, config: scene.VictimConfig);
            Attached(scene, container, Scene.Victim, result, scene.VictimConfig);
            return "102 at first, then DEL and ADD";
        }

        Attached(scene, container, Scene.Victim, result, scene.VictimConfig);
        return "";
    });

    public static Follower AddOther { get; } = new("ADD of another", scene =>
    {
        string? before = scene.State(Scene.Victim);
        Namespace container = scene.NewContainer();
        Attached(scene, container, Scene.Other, scene.Plugin.Add(container, Scene.Other, config: scene.Config.WithPorts(31020)), null);
        if (before == "ready")
        {
            scene.CheckVictim();
        }

        return "";
    });

    /// <summary>The pool has one slice and it asks for the same fixed port: only what is taken from the dead can serve it.</summary>
    public static Follower AddOtherOfTheSamePorts { get; } = new("namespace gone, ADD of another with all its ports", scene =>
    {
        scene.EndContainer();
        Namespace container = scene.NewContainer();
        NetworkConfig config = scene.VictimConfig with { EphemeralPorts = "16384-17407" };
        Attached(scene, container, Scene.Other, scene.Plugin.Add(container, Scene.Other, config: config), config);
        return (int)scene.Record(Scene.Other)!["ports"]!["ephemeral"]!["begin"]! == Scene.FirstSlice ? "" : throw new CellException("it has another slice");
    });

    public static Follower Reboot { get; } = new("reboot, each of DEL, GC, ADD again", scene =>
    {
        Reboot after = scene.AfterReboot;
        after.Take(scene.Store);
        after.Plugin.Del(null, Scene.Victim).Require();
        scene.RequireEmptyStore(after.Store, "after a reboot and DEL");
        after.Take(scene.Store);
        after.Plugin.Gc([]).Require();
        after.RequireUnchanged("after DEL and GC");
        if (Scene.RecordsOf(after.Store).Length > 0)
        {
            throw new CellException("a record is left after a reboot and GC");
        }

        after.Take(scene.Store);
        Namespace container = scene.NewContainer();
        after.Plugin.Add(container, Scene.Victim, config: scene.VictimConfig with { StateDirectory = after.Store, LogFile = after.Config.LogFile }).Require();
        after.Plugin.Check(container, Scene.Victim).Require();
        after.Plugin.Del(container, Scene.Victim).Require();
        after.RequireUnchanged("after ADD and DEL");
        scene.RequireEmptyStore(after.Store, "after a reboot, ADD and DEL");
        return "";
    }, OfTheStore: true);

    public static Follower UpdateAgain { get; } = new("update again", scene =>
    {
        if (scene.State(Scene.Victim) is null)
        {
            throw new CellException("the record is lost");
        }

        Outcome outcome = Target.Update.Run(scene, scene.Plugin);
        if (outcome.ExitCode != 0)
        {
            throw new CellException(outcome.ToString());
        }

        scene.Plugin.Check(scene.Container!, Scene.Victim, config: scene.VictimConfig).Require();
        RequirePorts(scene, "31000-31001/tcp 31010-31010/tcp 31000-31001/udp 31010-31010/udp");
        return "";
    });

    public static Follower UpdateOtherwise { get; } = new("update to others", scene =>
    {
        scene.Plugin.CommandLine("update", Scene.Victim, "--ports", "31000,31001,31011").Require();
        scene.Plugin.Check(scene.Container!, Scene.Victim, config: scene.VictimConfig).Require();
        RequirePorts(scene, "31000-31001/tcp 31011-31011/tcp 31000-31001/udp 31011-31011/udp");
        return "";
    });

    /// <summary>Every port that the record has on either side is its own; every other one is anybody's.</summary>
    public static Follower AddOfChangedPorts { get; } = new("ADD of others with old and new ports", scene =>
    {
        foreach (int port in (int[])[31001, 31005, 31010])
        {
            JsonObject record = scene.Record(Scene.Victim)!;
            bool owned = new[] { record["ports"]!["fixed"], record["change"]?["claims"] }.OfType<JsonArray>()
                .Any(ports => ports.Any(one => (int)one!["begin"]! <= port && port <= (int)one["end"]!));
            PluginResult result = scene.Plugin.Add(scene.NewContainer(), Scene.Other, config: scene.Config.WithPorts(port));
            if (owned ? result.ErrorCode != 101 : !result.Succeeded)
            {
                throw new CellException($"port {port}, {(owned ? "" : "not ")}owned: {result}");
            }

            scene.RequireSingleOwners();
            scene.Plugin.Del(null, Scene.Other).Require();
        }

        return "";
    });

    public static Follower CollectAgain { get; } = new("GC again", scene =>
    {
        Collect(scene);
        return Gone(scene);
    });

    public static Follower UninstallAgain { get; } = new("uninstall again", scene =>
    {
        Outcome outcome = Target.Uninstall.Run(scene, scene.Plugin);
        if (outcome.ExitCode != 0)
        {
            throw new CellException(outcome.ToString());
        }

        scene.RequireUnchanged("after the second uninstall");
        return Directory.Exists(scene.Store) ? throw new CellException("the store is left") : "";
    });

    public static Follower RepairAgain { get; } = new("repair again", scene =>
    {
        Repaired(scene);
        return "";
    });

    /// <summary>One that is attached between the halves of a repair has the new address; the end of the repair leaves it as it is.</summary>
    public static Follower AddOtherAndRepair { get; } = new("ADD of another, repair again", scene =>
    {
        Namespace container = scene.NewContainer();
        scene.Plugin.Add(container, Scene.Other, config: scene.Config.WithPorts(31020)).Require();
        scene.RequireSingleOwners();
        Repaired(scene);
        scene.Plugin.Check(container, Scene.Other).Require();
        return "";
    });

    private static void Repaired(Scene scene)
    {
        Outcome outcome = Target.Repair.Run(scene, scene.Plugin);
        if (outcome.ExitCode != 0)
        {
            throw new CellException(outcome.ToString());
        }

        scene.RequireState("ready");
        if ((string?)scene.Record(Scene.Victim)!["host"]!["address"] is var address && address != scene.Address)
        {
            throw new CellException($"its address is {address}");
        }

        // CHECK would miss the address that the result of ADD had; this compares the same.
        outcome = Target.Repair.Run(scene, scene.Plugin);
        if (outcome.Output.Trim() != "nothing to repair")
        {
            throw new CellException($"after a repair: {outcome}");
        }
    }

    private static void Collect(Scene scene) => scene.Plugin.Gc([(Scene.Neighbour, "eth0")]).Require();

    private static string Gone(Scene scene) =>
        scene.State(Scene.Victim) is { } left ? throw new CellException($"the record is left, {left}") : "";

    private static void Attached(Scene scene, Namespace container, string id, PluginResult result, NetworkConfig? config)
    {
        result.Require();
        scene.Plugin.Check(container, id, config: config).Require();
        scene.RequireSingleOwners();
    }

    private static void RequirePorts(Scene scene, string expected)
    {
        string found = string.Join(' ', scene.Record(Scene.Victim)!["ports"]!["fixed"]!.AsArray().Select(port => $"{port!["begin"]}-{port["end"]}/{port["protocol"]}"));
        if (found != expected)
        {
            throw new CellException($"its ports are {found}, not {expected}");
        }
    }

    /// <summary>What DEL has left in a namespace that lives on.</summary>
    private static string Inside(Namespace container)
    {
        string links = container.Ip("-o link show");
        string qdiscs = container.Tc("qdisc show");
        if (links.Contains("eth0", StringComparison.Ordinal))
        {
            throw new CellException($"left in the container: {links}");
        }

        return qdiscs.Contains("clsact", StringComparison.Ordinal) ? throw new CellException($"left in the container: {qdiscs}{container.Tc("filter show dev lo ingress")}") : "";
    }
}
