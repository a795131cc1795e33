using System.Text.Json.Nodes;
using CniIsolator.Lifecycle.Tests;
using CniIsolator.Testbed;

namespace CniIsolator.Runtimes.Tests;

/// <summary>
/// The calls of a runtime that is not to be had here, as its source makes them: whole environments and inputs, from a file that says where they
/// were read. What is added to an input is where the store and the log are.
/// </summary>
public sealed class Recording
{
    /// <summary>What <see cref="Plugin"/> puts into an environment by itself.</summary>
    private static readonly string[] Usual = ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH", "PATH"];

    private readonly Bed _bed;
    private readonly JsonObject _calls;
    private string? _result;

    /// <param name="bed">Where the calls are made.</param>
    /// <param name="name">Of the file.</param>
    /// <param name="container">Takes the place of ${NETNS}.</param>
    public Recording(Bed bed, string name, Namespace container)
    {
        ArgumentNullException.ThrowIfNull(container);
        _bed = bed;
        string text = File.ReadAllText(Path(name)).Replace("${NETNS}", container.Path, StringComparison.Ordinal);
        _calls = JsonNode.Parse(text)!["calls"]!.AsObject();
    }

    public static string Path(string name) => Frame.At($"tests/runtimes/Recorded/{name}.json");

    /// <summary>The id that the runtime gives the container.</summary>
    public string Id => (string)Call("add")["environment"]!["CNI_CONTAINERID"]!;

    /// <summary>Makes one of its calls. The result of an ADD is kept for those that come with it.</summary>
    public PluginResult Run(string name)
    {
        JsonObject call = Call(name);
        Dictionary<string, string?> environment = Usual.ToDictionary(one => one, _ => (string?)null);
        foreach ((string variable, JsonNode? value) in call["environment"]!.AsObject())
        {
            environment[variable] = (string?)value;
        }

        string command = environment["CNI_COMMAND"] ?? "";
        PluginResult result = _bed.Plugin.Run(new PluginCall(command) { Extra = environment, Input = Input(call) });
        _result = command == "ADD" && result.Succeeded ? result.Output : _result;
        return result;
    }

    private string Input(JsonObject call)
    {
        if ((call["inputOf"] is { } other ? Call((string)other!)["input"] : call["input"])?.DeepClone() is not JsonObject input)
        {
            return "";
        }

        if (input.ContainsKey("type"))
        {
            input["stateDir"] = _bed.Config.StateDirectory;
            input["logFile"] = _bed.Config.LogFile;
        }

        if (call.ContainsKey("previousResult") && _result != null)
        {
            input["prevResult"] = JsonNode.Parse(_result);
        }

        return input.ToJsonString();
    }

    private JsonObject Call(string name) => _calls[name]!.AsObject();
}
