using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Demo;

/// <summary>A container as its runtime knows it.</summary>
/// <param name="Id">CNI_CONTAINERID.</param>
/// <param name="Place">Its namespace.</param>
/// <param name="Ports">The fixed ports it asks for.</param>
internal sealed record Container(string Id, Namespace Place, params int[] Ports);

/// <summary>
/// Plays the container runtime: reads the shipped .conflist, and runs the plugin with what libcni would put into its environment and
/// on its standard input.
/// </summary>
internal sealed class ContainerRuntime(Topology network)
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Plugin _plugin = new(network);
    private readonly Dictionary<string, string> _results = new(StringComparer.Ordinal);
    private readonly JsonObject _list = JsonNode.Parse(File.ReadAllText(Path.Combine(Repository.Root, ConflistPath)))!.AsObject();

    /// <summary>The shipped file, below the repository's root.</summary>
    public const string ConflistPath = "conf/10-portmap-isolate.conflist";

    /// <summary>The store, away from that of a plugin in real use.</summary>
    public string StateDirectory { get; } = Path.Combine(network.StateDirectory, "store");

    /// <summary>The first plugin's object, with all that a runtime adds for this container.</summary>
    public string Input(Container container, bool withResult = false)
    {
        JsonObject json = _list["plugins"]![0]!.DeepClone().AsObject();
        json["cniVersion"] = "1.1.0";
        json["name"] = (string?)_list["name"];
        json["stateDir"] = StateDirectory;
        json["logFile"] = Path.Combine(network.StateDirectory, "plugin.log");
        // A runtime takes the capabilities out, and passes what it has for them.
        json.Remove("capabilities");
        if (container.Ports.Length > 0)
        {
            json["runtimeConfig"] = new JsonObject
            {
                ["portMappings"] = new JsonArray(
                [
                    .. from port in container.Ports
                       from protocol in new[] { "tcp", "udp" }
                       select new JsonObject { ["hostPort"] = port, ["containerPort"] = port, ["protocol"] = protocol },
                ]),
            };
        }

        if (withResult && _results.TryGetValue(container.Id, out string? result))
        {
            json["prevResult"] = JsonNode.Parse(result);
        }

        return json.ToJsonString(Indented);
    }

    public PluginResult Add(Container container)
    {
        PluginResult result = Call("ADD", container, container.Place.Path, withResult: false);
        if (result.Succeeded)
        {
            _results[container.Id] = result.Output;
        }

        return result;
    }

    public PluginResult Check(Container container) => Call("CHECK", container, container.Place.Path, withResult: true);

    public PluginResult Del(Container container, bool withNamespace = true) =>
        Call("DEL", container, withNamespace ? container.Place.Path : "", withResult: true);

    /// <summary>The operator's command line, shown with what it printed.</summary>
    public CommandResult Operate(params string[] arguments)
    {
        Screen.Command("host", $"cni-portmap-isolate {string.Join(' ', arguments)} --state-dir {StateDirectory}");
        CommandResult run = _plugin.CommandLine(arguments);
        Screen.Output(run.Output + run.Error);
        return run;
    }

    /// <summary>Every attachment, as `list --json` gives it. Not shown: the table is.</summary>
    public JsonArray List() => JsonNode.Parse(_plugin.CommandLine("list", "--json").Require())!.AsArray();

    /// <summary>A container's slice of ephemeral ports.</summary>
    public (int Begin, int End) Slice(Container container)
    {
        JsonNode ports = List().First(one => (string?)one!["containerId"] == container.Id)!["ephemeralPorts"]!;
        return ((int)ports["begin"]!, (int)ports["end"]!);
    }

    private PluginResult Call(string command, Container container, string netns, bool withResult)
    {
        Screen.Command("host", $"CNI_COMMAND={command} CNI_CONTAINERID={container.Id} CNI_NETNS={netns} CNI_IFNAME=eth0 \\");
        string binary = Path.GetRelativePath(Repository.Root, _plugin.Binary);
        Screen.Say($"      CNI_PATH={Path.GetDirectoryName(binary)} {binary} < {container.Id}.json");
        return _plugin.Run(new PluginCall(command)
        {
            ContainerId = container.Id,
            NetworkNamespace = netns,
            Interface = "eth0",
            Input = Input(container, withResult),
        });
    }
}
