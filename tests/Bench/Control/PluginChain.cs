using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Control;

/// <summary>
/// Plugins of one configuration list, started as libcni starts them: one after the other for ADD, each with the result
/// of the one before; in reverse order for DEL, each with the final result. Only the processes are timed, not what a
/// runtime does in between.
/// </summary>
internal sealed class PluginChain : IContestant
{
    private readonly string _directory;
    private readonly Func<int, JsonObject[]> _plugins;
    private readonly Dictionary<int, JsonNode> _results = [];

    /// <param name="name">For the report.</param>
    /// <param name="topology">The host.</param>
    /// <param name="directory">Where the programs are.</param>
    /// <param name="plugins">The plugins' configurations for one container, with their runtimeConfig.</param>
    public PluginChain(string name, Topology topology, string directory, Func<int, JsonObject[]> plugins)
    {
        Name = name;
        Topology = topology;
        _directory = directory;
        _plugins = plugins;
    }

    public string Name { get; }

    public Topology Topology { get; }

    public double Add(int number, Namespace container)
    {
        double total = 0;
        JsonNode? previous = null;
        foreach (JsonObject plugin in _plugins(number))
        {
            ChildResult run = Run("ADD", plugin, number, container, previous);
            previous = JsonNode.Parse(run.Output);
            total += run.Milliseconds;
        }

        _results[number] = previous!;
        return total;
    }

    public double Delete(int number, Namespace container)
    {
        _results.Remove(number, out JsonNode? previous);
        return _plugins(number).Reverse().Sum(plugin => Run("DEL", plugin, number, container, previous).Milliseconds);
    }

    private ChildResult Run(string command, JsonObject plugin, int number, Namespace container, JsonNode? previous)
    {
        JsonObject input = (JsonObject)plugin.DeepClone();
        input["cniVersion"] = "1.0.0";
        input["name"] = "bench";
        if (previous != null)
        {
            input["prevResult"] = previous.DeepClone();
        }

        (string, string)[] environment =
        [
            ("CNI_COMMAND", command), ("CNI_CONTAINERID", $"container-{number}"), ("CNI_NETNS", container.Path), ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", _directory), ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        ];
        string program = Path.Combine(_directory, plugin["type"]!.GetValue<string>());
        string text = input.ToJsonString();
        return Topology.Host.Run(() => Child.Run(program, [], environment, text)).Require();
    }
}
