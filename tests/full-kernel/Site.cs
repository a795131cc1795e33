using System.Text.Json;
using System.Text.Json.Nodes;

namespace CniIsolator.FullKernel.Tests;

/// <summary>A container that the plugin has attached.</summary>
/// <param name="Id">CNI_CONTAINERID.</param>
/// <param name="Place">Its namespace.</param>
/// <param name="Port">Its fixed port, TCP and UDP.</param>
/// <param name="HostEnd">The veth's end on the host.</param>
public sealed record Container(string Id, Namespace Place, int Port, string HostEnd);

/// <summary>A host with the plugin's binary on it, and what the host was like before the first ADD.</summary>
public sealed class Site : IDisposable
{
    /// <summary>The container's interface.</summary>
    public const string ContainerEnd = "eth0";

    private readonly List<Container> _containers = [];
    private readonly NetworkConfig _config;
    private readonly string? _arguments;

    /// <summary>Prepares the host by the commands given, before the plugin has been there.</summary>
    /// <param name="vary">What is different about the configuration.</param>
    /// <param name="prepare">What an operator has done to the host.</param>
    /// <param name="arguments">CNI_ARGS of all containers.</param>
    public Site(Func<NetworkConfig, NetworkConfig>? vary = null, Action<Namespace>? prepare = null, string? arguments = null)
    {
        Topology = new Topology();
        try
        {
            // The zeros that a loopback begins with cannot be put back; any other address can.
            Host.Ip("link set lo address 02:00:00:00:00:0a");
            prepare?.Invoke(Host);
            NetworkConfig config = new(Topology);
            _config = vary is null ? config : vary(config);
            _arguments = arguments;
            Plugin = new Plugin(Topology, _config);
            Before = Settled();
        }
        catch
        {
            Topology.Dispose();
            throw;
        }
    }

    public Topology Topology { get; }

    public Plugin Plugin { get; }

    public Namespace Host => Topology.Host;

    public Namespace Out => Topology.Out;

    public string Master => Topology.Options.Master;

    /// <summary>The host before the first ADD.</summary>
    public KernelState Before { get; }

    /// <summary>The containers attached now, in the order of their ADDs.</summary>
    public IReadOnlyList<Container> Containers => _containers;

    /// <summary>All that the plugin has logged.</summary>
    public string Log => File.Exists(_config.LogFile) ? File.ReadAllText(_config.LogFile) : "";

    /// <summary>What the store has about a container.</summary>
    public JsonNode Record(Container container)
    {
        ArgumentNullException.ThrowIfNull(container);
        return JsonNode.Parse(File.ReadAllText(Path.Combine(_config.StateDirectory!, container.HostEnd + ".json")))!;
    }

    /// <summary>Attaches one more container; the port names it. Without a namespace it gets a new one.</summary>
    public Container Add(int port, Namespace? place = null)
    {
        place ??= Topology.AddContainerNamespace();
        string id = $"c{port}";
        PluginResult result = TryAdd(place, port).Require();
        string hostEnd = result.Member("interfaces")!.Value.EnumerateArray()
            .First(one => !one.TryGetProperty("sandbox", out JsonElement sandbox) || sandbox.GetString()!.Length == 0).GetProperty("name").GetString()!;
        Container container = new(id, place, port, hostEnd);
        _containers.Add(container);
        return container;
    }

    /// <summary>ADD, which may fail.</summary>
    public PluginResult TryAdd(Namespace place, int port) => Plugin.Add(place, $"c{port}", arguments: _arguments, config: _config.WithPorts(port));

    public void Check(Container container) => TryCheck(container).Require();

    /// <summary>CHECK, which may find differences.</summary>
    public PluginResult TryCheck(Container container) =>
        Plugin.Check(container.Place, container.Id, arguments: _arguments, config: _config.WithPorts(container.Port));

    public void Delete(Container container)
    {
        Plugin.Del(container.Place, container.Id, arguments: _arguments, config: _config.WithPorts(container.Port)).Require();
        _containers.Remove(container);
    }

    /// <summary>Has the outside talk to a server of the container's.</summary>
    public async Task AssertReachableAsync(Container container, Transport transport, ProbeOptions? options = null)
    {
        using EchoServer server = EchoServer.Start(container.Place, transport, IPAddress.Any, container.Port);
        ProbeResult inward = await Probe.RunAsync(Out, transport, new IPEndPoint(Topology.HostAddress, container.Port), options);
        Assert.True(inward.Ok, $"OUT -> {container.Id}, {transport}: {inward}");
    }

    /// <summary>Has the container, or the host, talk to a server outside.</summary>
    public async Task AssertReachesOutAsync(Namespace from, Transport transport, ProbeOptions? options = null)
    {
        using EchoServer server = EchoServer.Start(Out, transport, Topology.OutAddress, 0);
        ProbeResult outward = await Probe.RunAsync(from, transport, server.EndPoint, options);
        Assert.True(outward.Ok, $"{from} -> OUT, {transport}: {outward}");
        Assert.Equal(Topology.HostAddress, outward.Peer!.Address);
    }

    /// <summary>The host is as it was before the first ADD, and the store is empty.</summary>
    public void AssertClean()
    {
        string difference = Before.Diff(Settled());
        Assert.True(difference.Length == 0, $"the host has changed:\n{difference}");

        // A refused first ADD may not even have made it.
        if (Directory.Exists(_config.StateDirectory))
        {
            Assert.Empty(Directory.GetFiles(_config.StateDirectory, "pmi*"));
        }
    }

    public void Dispose() => Topology.Dispose();

    /// <summary>A snapshot once the carrier of new links has been noticed, which the kernel does a little later.</summary>
    private KernelState Settled()
    {
        Wait.For(() => !Host.Ip("-o link show up").Contains("NO-CARRIER", StringComparison.Ordinal), TimeSpan.FromSeconds(5));
        return KernelState.Snapshot(Host);
    }
}
