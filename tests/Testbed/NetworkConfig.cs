using System.Text.Json.Nodes;

namespace CniIsolator.Testbed;

/// <summary>One entry of the capability `portMappings`.</summary>
public sealed record PortMapping(int HostPort, int ContainerPort, string Protocol = "tcp", string? HostIp = null);

/// <summary>The network configuration that the plugin gets on stdin. A record: vary it by `with` or by <see cref="With"/>.</summary>
public sealed record NetworkConfig
{
    /// <summary>A network whose state and log live with the topology.</summary>
    public NetworkConfig(Topology topology)
    {
        ArgumentNullException.ThrowIfNull(topology);
        Master = topology.Options.Master;
        StateDirectory = Path.Combine(topology.StateDirectory, "store");
        LogFile = Path.Combine(topology.StateDirectory, "plugin.log");
    }

    /// <summary>`cniVersion`.</summary>
    public string CniVersion { get; init; } = "1.1.0";

    /// <summary>`name`.</summary>
    public string Name { get; init; } = "testnet";

    /// <summary>`master`; null leaves the key out.</summary>
    public string? Master { get; init; }

    /// <summary>`ports`; null leaves the key out.</summary>
    public string? Ports { get; init; } = "31000-32000";

    /// <summary>`ephemeralPorts`; null leaves the key out.</summary>
    public string? EphemeralPorts { get; init; } = "16384-24575";

    /// <summary>`stateDir`; null leaves the key out.</summary>
    public string? StateDirectory { get; init; }

    /// <summary>`logFile`; null leaves the key out.</summary>
    public string? LogFile { get; init; }

    /// <summary>`runtimeConfig.portMappings`; empty leaves the key out.</summary>
    public IReadOnlyList<PortMapping> PortMappings { get; init; } = [];

    private IReadOnlyList<(string Path, string? Json)> More { get; init; } = [];

    /// <summary>Maps each of the ports to itself, for both protocols.</summary>
    public NetworkConfig WithPorts(params int[] ports) =>
        this with { PortMappings = [.. ports.SelectMany(port => new[] { new PortMapping(port, port), new PortMapping(port, port, "udp") })] };

    /// <summary>Sets any other key, by a path with dots (`runtimeConfig.bandwidth`); null removes it.</summary>
    public NetworkConfig With(string path, JsonNode? value) => this with { More = [.. More, (path, value?.ToJsonString())] };

    /// <summary>The object as a fresh tree.</summary>
    public JsonObject ToJson()
    {
        JsonObject json = new() { ["cniVersion"] = CniVersion, ["name"] = Name, ["type"] = "cni-portmap-isolate" };
        foreach ((string key, string? value) in new[]
                 {
                     ("master", Master), ("ports", Ports), ("ephemeralPorts", EphemeralPorts), ("stateDir", StateDirectory), ("logFile", LogFile),
                 })
        {
            if (value != null)
            {
                json[key] = value;
            }
        }

        if (PortMappings.Count > 0)
        {
            json["runtimeConfig"] = new JsonObject { ["portMappings"] = new JsonArray([.. PortMappings.Select(Describe)]) };
        }

        foreach ((string path, string? value) in More)
        {
            Set(json, path.Split('.'), value);
        }

        return json;
    }

    private static JsonNode Describe(PortMapping mapping)
    {
        JsonObject entry = new() { ["hostPort"] = mapping.HostPort, ["containerPort"] = mapping.ContainerPort, ["protocol"] = mapping.Protocol };
        if (mapping.HostIp != null)
        {
            entry["hostIP"] = mapping.HostIp;
        }

        return entry;
    }

    private static void Set(JsonObject json, ReadOnlySpan<string> path, string? value)
    {
        for (; path.Length > 1; path = path[1..])
        {
            if (json[path[0]] is not JsonObject inner)
            {
                json[path[0]] = inner = [];
            }

            json = inner;
        }

        json.Remove(path[0]);
        if (value != null)
        {
            json[path[0]] = JsonNode.Parse(value);
        }
    }
}
