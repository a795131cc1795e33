using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Exporter.KernelTests;

/// <summary>A host with the published plugin and, as soon as something is asked of it, the published exporter.</summary>
public sealed class Site : IDisposable
{
    public const string Network = "testnet";

    private readonly string[] _options;
    private ExporterProcess? _exporter;

    /// <param name="vary">What is different about the network.</param>
    /// <param name="options">The exporter's.</param>
    public Site(Func<NetworkConfig, NetworkConfig>? vary = null, params string[] options)
    {
        Topology = new Topology();
        NetworkConfig config = new(Topology);
        Plugin = new Plugin(Topology, vary is null ? config : vary(config));
        _options = options;
    }

    public Topology Topology { get; }

    public Plugin Plugin { get; }

    public string Store => Plugin.Config.StateDirectory!;

    public ExporterProcess Exporter => _exporter ??= ExporterProcess.Start(Topology.Host, Store, _options);

    /// <summary>Attaches a container in a namespace of its own.</summary>
    public Namespace Add(string id, string? arguments = null)
    {
        Namespace container = Topology.AddContainerNamespace(loopbackUp: true);
        Plugin.Add(container, id, arguments: arguments).Require();
        return container;
    }

    public string Get(string path) => Exporter.Client.GetStringAsync(path).GetAwaiter().GetResult();

    /// <summary>The value of a series of /metrics, named with its labels; null where there is none.</summary>
    public double? Metric(string series)
    {
        string? line = Get("/metrics").Split('\n').SingleOrDefault(one => one.StartsWith(series + " ", StringComparison.Ordinal));
        return line is null ? null : double.Parse(line[(series.Length + 1)..], CultureInfo.InvariantCulture);
    }

    /// <summary>The same of a container's.</summary>
    public double? Metric(string name, string id, params (string Name, string Value)[] labels) =>
        Metric($"{name}{{container_id=\"{id}\",network=\"{Network}\"{string.Concat(labels.Select(one => $",{one.Name}=\"{one.Value}\""))}}}");

    /// <summary>The same of the network's.</summary>
    public int Capacity(string name) => (int)Metric($"{name}{{network=\"{Network}\"}}")!;

    /// <summary>What a Mesos agent would tell of a container.</summary>
    public JsonNode Element(string id) => JsonNode.Parse(Get("/monitor/statistics"))!.AsArray().Single(one => (string?)one!["source"] == id)!;

    public JsonNode Statistics(string id) => Element(id)["statistics"]!;

    /// <summary>What the page shows of a container.</summary>
    public JsonNode Shown(string id) => JsonNode.Parse(Get("/containers.json"))!["containers"]!.AsArray().Single(one => (string?)one!["containerId"] == id)!;

    /// <summary>The file of a container's record.</summary>
    public string Record(string id) =>
        Directory.GetFiles(Store, "pmi*.json").Single(path => (string?)JsonNode.Parse(File.ReadAllText(path))!["key"]!["containerId"] == id);

    public string HostInterface(string id) => Path.GetFileNameWithoutExtension(Record(id));

    /// <summary>The slice's ports.</summary>
    public (int Begin, int End) Slice(string id) => ((int)Statistics(id)["net_ephemeral_ports"]!["begin"]!, (int)Statistics(id)["net_ephemeral_ports"]!["end"]!);

    /// <summary>Sends datagrams that nobody answers.</summary>
    /// <param name="from">From here.</param>
    /// <param name="port">From this port; 0 lets the kernel choose.</param>
    /// <param name="to">To there.</param>
    /// <param name="count">How many.</param>
    /// <param name="size">Bytes of payload.</param>
    public static void Send(Namespace from, int port, IPEndPoint to, int count, int size = 100)
    {
        ArgumentNullException.ThrowIfNull(from);
        using Socket socket = from.Run(() =>
        {
            Socket made = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            made.Bind(new IPEndPoint(IPAddress.Any, port));
            return made;
        });
        byte[] data = new byte[size];
        for (int i = 0; i < count; i++)
        {
            try
            {
                socket.SendTo(data, to);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
            {
                // An ICMP error for an earlier one was told instead of sending this.
                i--;
            }
        }
    }

    public void Dispose()
    {
        _exporter?.Dispose();
        Topology.Dispose();
    }
}
