using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Control;

/// <summary>The configurations that are compared.</summary>
internal static class Contestants
{
    public const string Own = "cni-portmap-isolate";
    public const string Ptp = "ptp + host-local";
    public const string Chain = "ptp + host-local, portmap, bandwidth";
    public const string Bridge = "bridge + host-local, portmap";

    /// <summary>Where Debian installs the reference plugins.</summary>
    public const string PeerDirectory = "/usr/lib/cni";

    /// <summary>Addresses of the reference plugins' containers.</summary>
    public const string PtpSubnet = "10.99.0.0/16";

    private const int PortsPerContainer = 3;
    private const int FirstPort = 31000;

    /// <summary>This project's plugin: an ephemeral slice and three fixed ports for each container.</summary>
    public static PluginChain OwnPlugin(Topology topology) => new(
        Own,
        topology,
        Path.GetDirectoryName(Testbed.Plugin.DefaultBinary)!,
        number => [OwnConfiguration(topology, 64, [.. Ports(number)])]);

    /// <summary>One veth and one address for each container, no ports, no masquerading.</summary>
    public static PluginChain PtpPlugin(Topology topology) => new(Ptp, topology, PeerDirectory, _ => [PtpConfiguration(topology)]);

    /// <summary>The reference plugins' way to what the shared address gives: reachable on three ports of the host, limited rates.</summary>
    public static PluginChain ReferenceChain(Topology topology) => new(
        Chain,
        topology,
        PeerDirectory,
        number =>
        [
            PtpConfiguration(topology),
            new JsonObject { ["type"] = "portmap", ["runtimeConfig"] = new JsonObject { ["portMappings"] = Mappings(Ports(number)) } },
            Bandwidth(1_000_000_000, 8_000_000),
        ]);

    /// <summary>What most runtimes do unless told otherwise: a bridge, and ports that netfilter translates.</summary>
    /// <param name="topology">The host.</param>
    /// <param name="ports">Of a container, by its number; each for TCP and UDP.</param>
    public static PluginChain BridgeChain(Topology topology, Func<int, IEnumerable<int>> ports) => new(
        Bridge,
        topology,
        PeerDirectory,
        number =>
        [
            new JsonObject
            {
                ["type"] = "bridge", ["bridge"] = "cni0", ["isGateway"] = true, ["ipMasq"] = true, ["ipam"] = Addresses(topology),
            },
            new JsonObject
            {
                ["type"] = "portmap",
                ["runtimeConfig"] = new JsonObject { ["portMappings"] = new JsonArray([.. ((string[])["tcp", "udp"]).SelectMany(p => Mappings(ports(number), p)).Select(m => m!.DeepClone())]) },
            },
        ]);

    /// <summary>This project's plugin, one fixed port for each container, and the same limit both ways.</summary>
    /// <param name="topology">The host.</param>
    /// <param name="slice">Ephemeral ports of each container.</param>
    /// <param name="bytesPerSecond">The limit.</param>
    /// <param name="port">The fixed port of a container, by its number.</param>
    /// <param name="keys">Further keys.</param>
    public static PluginChain Limited(
        Topology topology, int slice, long bytesPerSecond, Func<int, int> port, params (string Key, JsonNode Value)[] keys) => new(
        Own,
        topology,
        Path.GetDirectoryName(Testbed.Plugin.DefaultBinary)!,
        number =>
        {
            JsonObject configuration = OwnConfiguration(topology, slice, port(number));
            configuration["egressRateLimitPerContainer"] = bytesPerSecond;
            configuration["ingressRateLimitPerContainer"] = bytesPerSecond;
            foreach ((string key, JsonNode value) in keys)
            {
                configuration[key] = value.DeepClone();
            }

            return [configuration];
        });

    /// <summary>The reference plugins with one limit both ways, and without ports.</summary>
    /// <param name="topology">The host.</param>
    /// <param name="bitsPerSecond">The limit.</param>
    /// <param name="burstBits">What may leave at once.</param>
    public static PluginChain LimitedPtp(Topology topology, long bitsPerSecond, long burstBits) => new(
        "ptp + host-local, bandwidth",
        topology,
        PeerDirectory,
        _ => [PtpConfiguration(topology), Bandwidth(bitsPerSecond, burstBits)]);

    /// <summary>A configuration of this project's plugin whose state lives with the topology.</summary>
    public static JsonObject OwnConfiguration(Topology topology, int slice, params int[] ports)
    {
        JsonObject configuration = new NetworkConfig(topology) { EphemeralPorts = "2048-30719" }.ToJson();
        configuration["ephemeralPortsPerContainer"] = slice;
        configuration["runtimeConfig"] = new JsonObject { ["portMappings"] = Mappings(ports) };
        return configuration;
    }

    public static IEnumerable<int> Ports(int number) => Enumerable.Range(FirstPort + (number * PortsPerContainer), PortsPerContainer);

    private static JsonArray Mappings(IEnumerable<int> ports, string protocol = "tcp") => [.. ports.Select(port =>
        (JsonNode)new JsonObject { ["hostPort"] = port, ["containerPort"] = port, ["protocol"] = protocol })];

    private static JsonObject Bandwidth(long bitsPerSecond, long burstBits) => new()
    {
        ["type"] = "bandwidth",
        ["runtimeConfig"] = new JsonObject
        {
            ["bandwidth"] = new JsonObject
            {
                ["ingressRate"] = bitsPerSecond, ["ingressBurst"] = burstBits, ["egressRate"] = bitsPerSecond, ["egressBurst"] = burstBits,
            },
        },
    };

    private static JsonObject PtpConfiguration(Topology topology) => new()
    {
        ["type"] = "ptp",
        ["ipMasq"] = false,
        ["ipam"] = Addresses(topology),
    };

    private static JsonObject Addresses(Topology topology) => new()
    {
        ["type"] = "host-local",
        ["subnet"] = PtpSubnet,
        ["dataDir"] = Path.Combine(topology.StateDirectory, "host-local"),
        ["routes"] = new JsonArray(new JsonObject { ["dst"] = "0.0.0.0/0" }),
    };
}
