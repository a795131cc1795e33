using System.Net;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>One host with the plugin's binary and its store, and what the host was like before.</summary>
public sealed class Bed : IDisposable
{
    /// <summary>What the first container is given as its slice: the pool's first aligned block.</summary>
    public const int FirstSlice = 16384;

    public Bed(Func<NetworkConfig, NetworkConfig>? vary = null, TopologyOptions? options = null)
    {
        Net = new Topology(options);
        try
        {
            // The zeros that a loopback begins with cannot be put back.
            Host.Ip("link set lo address 02:00:00:00:00:0a");
            Config = new NetworkConfig(Net);
            Config = vary is null ? Config : vary(Config);
            Plugin = new Plugin(Net, Config);
            Before = Settled(Host);
        }
        catch
        {
            Net.Dispose();
            throw;
        }
    }

    public Topology Net { get; }

    public Namespace Host => Net.Host;

    public NetworkConfig Config { get; }

    public Plugin Plugin { get; }

    /// <summary>The host before the plugin's first run.</summary>
    public KernelState Before { get; }

    public string Store => Config.StateDirectory!;

    /// <summary>Files of attachments, readable or not.</summary>
    public string[] Records => Directory.Exists(Store) ? [.. Directory.GetFiles(Store, "pmi*").Order(StringComparer.Ordinal)] : [];

    public void Dispose() => Net.Dispose();

    /// <summary>A container whose loopback has a MAC that can be put back.</summary>
    public Namespace Container()
    {
        Namespace made = Net.AddContainerNamespace();

        // Once up, it keeps its queue and its address for ever.
        made.IpBatch("link set lo address 02:00:00:00:00:0c", "link set lo up", "link set lo down");
        return made;
    }

    /// <summary>An attached container.</summary>
    public Namespace Added(string id, params int[] ports)
    {
        Namespace made = Container();
        Plugin.Add(made, id, config: ports.Length == 0 ? null : Config.WithPorts(ports)).Require();
        return made;
    }

    /// <summary>The operator's "update".</summary>
    public CommandResult Update(string id, params string[] arguments) => Plugin.CommandLine(["update", id, .. arguments]);

    /// <summary>What "list --json" says of a container.</summary>
    public JsonObject Listed(string id) =>
        JsonNode.Parse(Plugin.CommandLine("list", "--json").Require())!.AsArray().Single(one => (string?)one!["containerId"] == id)!.AsObject();

    /// <summary>Fixed ports as an operator writes them, of a record or a listed container: "31000-31001/tcp 31005/udp".</summary>
    public static string Ports(JsonObject attachment) => string.Join(' ', (attachment["ports"] as JsonArray
        ?? attachment["ports"]!["fixed"]!.AsArray()).Select(port =>
    {
        (int begin, int end) = ((int)port!["begin"]!, (int)port["end"]!);
        return $"{(begin == end ? begin : $"{begin}-{end}")}/{port["protocol"]}";
    }));

    /// <summary>The file of an attachment's record, found by its content.</summary>
    public string RecordPath(string id) => Records.Single(path => (string?)JsonNode.Parse(File.ReadAllText(path))!["key"]!["containerId"] == id);

    public JsonObject Record(string id) => JsonNode.Parse(File.ReadAllText(RecordPath(id)))!.AsObject();

    public void EditRecord(string id, Action<JsonObject> edit)
    {
        string path = RecordPath(id);
        JsonObject record = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        edit(record);
        File.WriteAllText(path, record.ToJsonString());
    }

    public string HostInterface(string id) => (string)Record(id)["hostInterface"]!;

    public (int Begin, int End) Slice(string id)
    {
        JsonNode slice = Record(id)["ports"]!["ephemeral"]!;
        return ((int)slice["begin"]!, (int)slice["end"]!);
    }

    /// <summary>Nothing of any attachment is left on the host.</summary>
    public void AssertClean()
    {
        Unchanged(Before, Host);
        Assert.Empty(Records);
        Assert.False(File.Exists(Path.Combine(Store, "host.json")), "host.json is left");
    }

    /// <summary>Whether the outside reaches a server of the container on this fixed port.</summary>
    public async Task AssertReachableAsync(Namespace container, int port)
    {
        using EchoServer server = EchoServer.Start(container, Transport.Tcp, IPAddress.Any, port);
        ProbeResult result = await Probe.RunAsync(Net.Out, Transport.Tcp, new IPEndPoint(Net.HostAddress, port));
        Assert.True(result.Ok, result.ToString());
    }

    /// <summary>Whether the container reaches the outside, from a port of its slice.</summary>
    public async Task AssertReachesOutAsync(Namespace container, string id)
    {
        using EchoServer server = EchoServer.Start(Net.Out, Transport.Tcp, Net.OutAddress, 7007);
        ProbeResult result = await Probe.RunAsync(container, Transport.Tcp, server.EndPoint);
        Assert.True(result.Ok, result.ToString());
        Assert.Equal(Net.HostAddress, result.Peer!.Address);
        Assert.InRange(result.Peer.Port, Slice(id).Begin, Slice(id).End);
    }

    /// <summary>The container's loopback is as in a new namespace, and has no filters.</summary>
    public static void AssertLoopbackRestored(Namespace container)
    {
        string shown = container.Ip("link show dev lo");
        Says(shown, "mtu 65536", "UP");
        Assert.DoesNotContain("clsact", container.Tc("qdisc show dev lo"), StringComparison.Ordinal);
    }

    /// <summary>An error of this code with these words in its message or details.</summary>
    public static void Fails(PluginResult result, int code, params string[] parts)
    {
        Assert.True(result.ErrorCode == code && result.ExitCode == 1, $"expected code {code}: {result}");
        Assert.False(string.IsNullOrEmpty(result.ErrorMessage));
        Says($"{result.ErrorMessage}; {result.ErrorDetails}", parts);
    }

    /// <summary>A snapshot once the carrier of new links has been noticed, which the kernel does a little later.</summary>
    public static KernelState Settled(Namespace place)
    {
        Wait.For(() => !place.Ip("-o link show up").Contains("NO-CARRIER", StringComparison.Ordinal), TimeSpan.FromSeconds(5));
        return KernelState.Snapshot(place);
    }

    /// <summary>The namespace is as it was.</summary>
    public static void Unchanged(KernelState before, Namespace place)
    {
        string difference = before.Diff(Settled(place));
        Assert.True(difference.Length == 0, $"{place} has changed:\n{difference}");
    }

    /// <summary>An operator's command that ended with this exit code and these words on stderr, and printed nothing.</summary>
    public static void Refused(CommandResult result, int exitCode, params string[] parts)
    {
        Assert.True(result.ExitCode == exitCode && result.Output.Length == 0, $"expected exit code {exitCode}: {result}");
        Says(result.Error, parts);
    }

    public static void Says(string? text, params string[] parts)
    {
        foreach (string part in parts)
        {
            Assert.Contains(part, text ?? "", StringComparison.OrdinalIgnoreCase);
        }
    }
}
