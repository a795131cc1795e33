using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Demo;

/// <summary>The steps about containers that come and go: 1, 2, 6, 8 and 14.</summary>
internal sealed class Attaching(Stage stage)
{
    private readonly Screen _screen = stage.Screen;
    private readonly List<(string Name, Namespace Place, KernelState State)> _before = [];

    public void ShowNamespaces()
    {
        Screen.Step(1, "A host with one address, a machine outside, and three empty containers");
        stage.Show(stage.Outside, $"ip -br -4 address show dev {Topology.OutInterface}");
        CommandResult address = stage.Show(stage.Host, "ip -br -4 address show dev eth0");
        stage.Show(stage.Host, "sysctl net.ipv4.ip_local_port_range");
        _screen.Claim(address.Output.Contains($" {stage.Shared}/24", StringComparison.Ordinal), $"the host has the address {stage.Shared}", address.Output);
        foreach (Container container in stage.Containers)
        {
            CommandResult links = stage.Show(container.Place, "ip -br link");
            bool empty = links.Output.Trim().Split('\n') is [var only] && only.StartsWith("lo ", StringComparison.Ordinal);
            _screen.Claim(empty, $"container {container.Id} is empty but for a loopback", links.Output);
        }

        _before.Add(("the host", stage.Host, KernelState.Snapshot(stage.Host)));
        _before.Add(("the outside", stage.Outside, KernelState.Snapshot(stage.Outside)));
    }

    public void AttachContainers()
    {
        Screen.Step(2, "Three times ADD: each container gets its ports");
        Screen.Say($"The runtime reads {ContainerRuntime.ConflistPath} and adds what it knows of the container");
        Screen.Say("(and a place of the demo's own for state and log):");
        Screen.Command("host", "cat web.json");
        Screen.Output(stage.Runtime.Input(stage.Web));
        foreach (Container container in stage.Containers)
        {
            PluginResult added = stage.Runtime.Add(container);
            if (container == stage.Web || !added.Succeeded)
            {
                Screen.Output(added.Output);
            }
            else
            {
                Screen.Say("(a result of the same form)");
            }

            if (!added.Succeeded)
            {
                throw new InvalidOperationException($"no container, no demo: {added}");
            }

            (int begin, int end) = stage.Runtime.Slice(container);
            string? address = (string?)JsonNode.Parse(added.Output)!["ips"]![0]!["address"];
            string asked = container.Ports.Length == 0 ? "" : $" and port {string.Join(", ", container.Ports)}";
            _screen.Claim(
                address == $"{stage.Shared}/24" && end - begin == 1023, $"{container.Id} has {stage.Shared}, ports {begin}-{end}{asked}", $"{address}, {begin}-{end}");
        }

        var slices = stage.Containers.Select(stage.Runtime.Slice).Order().ToList();
        _screen.Claim(
            slices.Zip(slices.Skip(1)).All(pair => pair.First.End < pair.Second.Begin), "no port has two owners", string.Join(", ", slices));

        CommandResult shown = stage.Show(stage.Web.Place, "ip -4 address show dev eth0");
        CommandResult route = stage.Show(stage.Web.Place, "ip route");
        CommandResult range = stage.Show(stage.Web.Place, "sysctl net.ipv4.ip_local_port_range");
        (int first, int last) = stage.Runtime.Slice(stage.Web);
        _screen.Claim(
            shown.Output.Contains($" {stage.Shared}/24", StringComparison.Ordinal)
                && route.Output.Contains($"default via {stage.Network.OutAddress} ", StringComparison.Ordinal)
                && range.Output.Trim().EndsWith($"{first}\t{last}", StringComparison.Ordinal),
            "inside, the container sees the host's address and route, and takes ephemeral ports from its slice",
            "one of these differs");
    }

    public void AskForTakenPort()
    {
        Screen.Step(6, $"A fourth container asks for port {Stage.WebPort}, which web has");
        Container late = new("late", stage.Network.AddContainerNamespace(), Stage.WebPort);
        PluginResult refused = stage.Runtime.Add(late);
        Screen.Output(refused.Output);
        _screen.Claim(refused.ErrorCode == 101, "it is refused with code 101, port taken", refused.ToString());
        _screen.Claim(
            $"{refused.ErrorMessage} {refused.ErrorDetails}".Contains("container web ", StringComparison.Ordinal), "the answer names the holder, web", refused.Output);
        _screen.Claim(stage.Runtime.List().Count == 3 && !late.Place.Ip("-br link").Contains("eth0", StringComparison.Ordinal), "and nothing was made for it",
            "it is listed, or has an interface");
    }

    public void ShowBooks()
    {
        Screen.Step(8, "What the operator sees");
        CommandResult list = stage.Runtime.Operate("list");
        _screen.Claim(
            list.ExitCode == 0 && stage.Containers.All(one => list.Output.Contains($"  {one.Id} ", StringComparison.Ordinal)),
            "the table has all three containers", list.Error);
        CommandResult show = stage.Runtime.Operate("show", "web");
        _screen.Claim(
            show.ExitCode == 0 && show.Output.Contains($"tcp/{Stage.WebPort}", StringComparison.Ordinal), $"show has web's port {Stage.WebPort}", show.Error);
    }

    public void DetachAll()
    {
        Screen.Step(14, "DEL of all, and nothing is left");
        foreach (Container container in new[] { stage.Web, stage.Database })
        {
            Deleted(container, stage.Runtime.Del(container));
            CommandResult links = stage.Show(container.Place, "ip -br link");
            _screen.Claim(!links.Output.Contains("eth0", StringComparison.Ordinal), $"{container.Id} has no eth0 any more", links.Output);
        }

        Screen.Say("");
        Screen.Say("The namespace of job goes first, as when a container crashes; DEL then comes without it:");
        CommandResult crashed = stage.Show(stage.Host, $"ip netns delete {stage.Job.Place.Name}");
        _screen.Claim(crashed.ExitCode == 0 && !File.Exists(stage.Job.Place.Path), "the namespace of job is gone", crashed.Error);
        Deleted(stage.Job, stage.Runtime.Del(stage.Job, withNamespace: false));

        CommandResult list = stage.Runtime.Operate("list");
        _screen.Claim(stage.Runtime.List().Count == 0, "no records are left", list.Output);
        CommandResult left = stage.Show(stage.Host, "ip -br link");
        _screen.Claim(!left.Output.Contains("pmi", StringComparison.Ordinal), "no links are left", left.Output);
        CommandResult qdiscs = stage.Show(stage.Host, "tc qdisc show");
        _screen.Claim(!qdiscs.Output.Contains("clsact", StringComparison.Ordinal), "no filters are left, nor what holds them", qdiscs.Output);
        Compare();
    }

    private void Deleted(Container container, PluginResult result)
    {
        Screen.Output(result.Output.Length == 0 ? $"(nothing printed, exit code {result.ExitCode})" : result.Output);
        _screen.Claim(result.Succeeded, $"{container.Id} is detached", result.ToString());
    }

    /// <summary>Everything that the kernel can tell of these namespaces, line by line.</summary>
    private void Compare()
    {
        Screen.Say("");
        Screen.Say("Now every link, address, route, rule, qdisc, filter and setting, compared with step 1:");
        foreach ((string name, Namespace place, KernelState before) in _before)
        {
            string[] changes = [.. before.Diff(KernelState.Snapshot(place)).Split('\n', StringSplitOptions.RemoveEmptyEntries)];
            // The one thing that the kernel does not let anybody undo.
            string[] loopback = [.. changes.Where(line => line.Length > 2 && line[2..].StartsWith("link lo ", StringComparison.Ordinal))];
            string remark = loopback.Length == 0 ? "" : ", except for a harmless one: lo keeps a MAC address, as the kernel takes no zeros back";
            bool same = changes.Length == loopback.Length && LoopbackMacApart(loopback);
            _screen.Claim(same, $"{name} is as it was{remark}", string.Join("\n     ", changes));
        }
    }

    private static bool LoopbackMacApart(string[] lines) => lines switch
    {
        [] => true,
        [var lost, var gained] => WithoutMac(lost[2..]) == WithoutMac(gained[2..]),
        _ => false,
    };

    private static string WithoutMac(string line) =>
        string.Join(' ', line.Split(' ').Where(word => !word.StartsWith("address=", StringComparison.Ordinal)));
}
