using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json.Nodes;

namespace CniIsolator.Testbed;

/// <summary>One run of the plugin as a runtime would start it. What is null is not in the environment.</summary>
public sealed record PluginCall(string Command)
{
    /// <summary>CNI_CONTAINERID.</summary>
    public string? ContainerId { get; init; }

    /// <summary>CNI_NETNS.</summary>
    public string? NetworkNamespace { get; init; }

    /// <summary>CNI_IFNAME.</summary>
    public string? Interface { get; init; }

    /// <summary>CNI_ARGS.</summary>
    public string? Arguments { get; init; }

    /// <summary>Further variables, and the last word on those above; a null value removes one.</summary>
    public IReadOnlyDictionary<string, string?> Extra { get; init; } = new Dictionary<string, string?>();

    /// <summary>What goes to stdin.</summary>
    public string Input { get; init; } = "";
}

/// <summary>Runs the plugin's binary exactly as a runtime does, inside the host's namespace.</summary>
public sealed class Plugin
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    private readonly ConcurrentDictionary<(string, string), string> _results = new();
    private readonly string[] _wrapper = [];

    /// <summary>A plugin for the network described, run inside the topology's host.</summary>
    public Plugin(Topology topology, NetworkConfig? config = null, string? binary = null)
    {
        ArgumentNullException.ThrowIfNull(topology);
        Host = topology.Host;
        Config = config ?? new NetworkConfig(topology);
        Binary = binary ?? DefaultBinary;
    }

    private Plugin(Plugin other, string[] wrapper)
    {
        (Host, Config, Binary, _results) = (other.Host, other.Config, other.Binary, other._results);
        _wrapper = wrapper;
    }

    /// <summary>PORTMAP_PLUGIN, or what `make build` makes.</summary>
    public static string DefaultBinary => Environment.GetEnvironmentVariable("PORTMAP_PLUGIN") is { Length: > 0 } chosen
        ? chosen
        : Path.Combine(Repository.Root, "artifacts", "bin", "cni-portmap-isolate");

    /// <summary>Where it runs.</summary>
    public Namespace Host { get; }

    /// <summary>The configuration of calls that are given none.</summary>
    public NetworkConfig Config { get; }

    /// <summary>The program's path.</summary>
    public string Binary { get; }

    /// <summary>The same plugin, started by another program such as a tracer, whose words stand before the binary's path.</summary>
    public Plugin Through(params string[] wrapper) => new(this, wrapper);

    /// <summary>The same plugin on a kernel that does not tell its types: their description is hidden from it.</summary>
    public Plugin WithoutKernelTypes() => Through("unshare", "--mount", "sh", "-c", "mount -t tmpfs none /sys/kernel/btf && exec \"$@\"", "sh");

    /// <summary>ADD. The result is kept and handed to CHECK and DEL as prevResult, as libcni does.</summary>
    public PluginResult Add(Namespace container, string id, string interfaceName = "eth0", string? arguments = null, NetworkConfig? config = null)
    {
        ArgumentNullException.ThrowIfNull(container);
        PluginResult result = Run(Attachment("ADD", container.Path, id, interfaceName, arguments, config, previous: false));
        if (result.Succeeded)
        {
            _results[(id, interfaceName)] = result.Output;
        }

        return result;
    }

    /// <summary>Keeps the result of an ADD that was made beside a DEL, which has made us forget it.</summary>
    public void Keep(PluginResult added, string id, string interfaceName = "eth0")
    {
        ArgumentNullException.ThrowIfNull(added);
        _results[(id, interfaceName)] = added.Output;
    }

    /// <summary>DEL; without a namespace CNI_NETNS is empty.</summary>
    public PluginResult Del(Namespace? container, string id, string interfaceName = "eth0", string? arguments = null, NetworkConfig? config = null)
    {
        PluginResult result = Run(Attachment("DEL", container?.Path ?? "", id, interfaceName, arguments, config, previous: true));
        if (result.Succeeded)
        {
            _results.TryRemove((id, interfaceName), out _);
        }

        return result;
    }

    /// <summary>CHECK.</summary>
    public PluginResult Check(Namespace container, string id, string interfaceName = "eth0", string? arguments = null, NetworkConfig? config = null)
    {
        ArgumentNullException.ThrowIfNull(container);
        return Run(Attachment("CHECK", container.Path, id, interfaceName, arguments, config, previous: true));
    }

    /// <summary>GC with the attachments that are still valid.</summary>
    public PluginResult Gc(IEnumerable<(string Id, string Interface)> valid, NetworkConfig? config = null)
    {
        JsonObject json = (config ?? Config).ToJson();
        json["cni.dev/valid-attachments"] =
            new JsonArray([.. valid.Select(one => new JsonObject { ["containerID"] = one.Id, ["ifname"] = one.Interface })]);
        return Run(new PluginCall("GC") { Input = json.ToJsonString() });
    }

    /// <summary>STATUS.</summary>
    public PluginResult Status(NetworkConfig? config = null) => Run(new PluginCall("STATUS") { Input = (config ?? Config).ToJson().ToJsonString() });

    /// <summary>VERSION.</summary>
    public PluginResult Version() => Run(new PluginCall("VERSION") { Input = $$"""{"cniVersion":"{{Config.CniVersion}}"}""" });

    /// <summary>Any call.</summary>
    public PluginResult Run(PluginCall call) => RunAsync(call).GetAwaiter().GetResult();

    /// <summary>Any call, without blocking: for many at once.</summary>
    public async Task<PluginResult> RunAsync(PluginCall call)
    {
        ArgumentNullException.ThrowIfNull(call);
        (CommandResult run, bool timedOut) = await ExecuteAsync(Variables(call), [], call.Input).ConfigureAwait(false);
        return new PluginResult(call.Command, run, timedOut);
    }

    /// <summary>The operator's command line, such as `list --json`, with this network's state directory.</summary>
    public async Task<CommandResult> CommandLineAsync(params string[] arguments)
    {
        List<string> all = [.. arguments];
        if (Config.StateDirectory != null && arguments.Length > 0 && !arguments[0].StartsWith('-'))
        {
            all.AddRange(["--state-dir", Config.StateDirectory]);
        }

        return (await ExecuteAsync(new Dictionary<string, string?> { ["PATH"] = Environment.GetEnvironmentVariable("PATH") }, all, "").ConfigureAwait(false)).Result;
    }

    /// <inheritdoc cref="CommandLineAsync"/>
    public CommandResult CommandLine(params string[] arguments) => CommandLineAsync(arguments).GetAwaiter().GetResult();

    /// <summary>The call for one attachment, to be varied by `with`.</summary>
    public PluginCall Attachment(string command, string netns, string id, string interfaceName = "eth0", string? arguments = null,
        NetworkConfig? config = null, bool previous = false)
    {
        JsonObject json = (config ?? Config).ToJson();
        if (previous && _results.TryGetValue((id, interfaceName), out string? result))
        {
            json["prevResult"] = JsonNode.Parse(result);
        }

        return new PluginCall(command)
        {
            ContainerId = id,
            NetworkNamespace = netns,
            Interface = interfaceName,
            Arguments = arguments,
            Input = json.ToJsonString(),
        };
    }

    private Dictionary<string, string?> Variables(PluginCall call)
    {
        Dictionary<string, string?> variables = new()
        {
            ["CNI_COMMAND"] = call.Command,
            ["CNI_CONTAINERID"] = call.ContainerId,
            ["CNI_NETNS"] = call.NetworkNamespace,
            ["CNI_IFNAME"] = call.Interface,
            ["CNI_ARGS"] = call.Arguments,
            ["CNI_PATH"] = Path.GetDirectoryName(Binary),
            ["PATH"] = Environment.GetEnvironmentVariable("PATH"),
        };
        foreach ((string name, string? value) in call.Extra)
        {
            variables[name] = value;
        }

        return variables;
    }

    private Task<(CommandResult Result, bool TimedOut)> ExecuteAsync(IReadOnlyDictionary<string, string?> variables, IEnumerable<string> arguments, string input)
    {
        string[] words = [.. _wrapper, Binary, .. arguments];
        ProcessStartInfo start = new(words[0], words[1..])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment.Clear();
        foreach ((string name, string? value) in variables.Where(one => one.Value != null))
        {
            start.Environment[name] = value;
        }

        return CommandResult.CompleteAsync(Host.Start(start), string.Join(' ', words), input, Limit);
    }
}
