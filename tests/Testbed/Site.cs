using System.Net;
using System.Text.Json;

namespace CniIsolator.Testbed;

/// <summary>A container that the plugin has attached.</summary>
/// <param name="Id">CNI_CONTAINERID.</param>
/// <param name="Place">Its namespace.</param>
/// <param name="Port">Its first fixed port.</param>
/// <param name="HostEnd">The veth's end on the host.</param>
/// <param name="SliceBegin">First port of its slice.</param>
/// <param name="SliceEnd">Last port of its slice.</param>
public sealed record Container(string Id, Namespace Place, int Port, string HostEnd, int SliceBegin, int SliceEnd)
{
    public MatrixContainer InMatrix(string name) => new(name, Place, Port);
}

/// <summary>A host with containers on it, made by real ADDs of the real binary.</summary>
public sealed class Site : IDisposable
{
    /// <summary>Where tests have their servers outside and on the host; no container owns it.</summary>
    public const int ServerPort = 7007;

    /// <summary>In nobody's slice and nobody's fixed port.</summary>
    public const int UnownedPort = 29999;

    private readonly List<Container> _containers = [];

    /// <summary>Containers own tcp and udp 31000, 31001, and so on. Without the kernel's types their checksums are guarded in another way.</summary>
    public Site(int containers = 2, TopologyOptions? options = null, Func<NetworkConfig, NetworkConfig>? vary = null, bool kernelTypes = true)
    {
        Topology = new Topology(options);
        try
        {
            NetworkConfig config = new(Topology);
            Plugin = new Plugin(Topology, vary is null ? config : vary(config));
            Plugin = kernelTypes ? Plugin : Plugin.WithoutKernelTypes();
            for (int number = 0; number < containers; number++)
            {
                Add(31000 + number);
            }
        }
        catch
        {
            Topology.Dispose();
            throw;
        }
    }

    public Topology Topology { get; }

    public Plugin Plugin { get; }

    public IReadOnlyList<Container> Containers => _containers;

    public Container C1 => _containers[0];

    public Container C2 => _containers[1];

    public IPAddress HostAddress => Topology.HostAddress;

    public IPAddress OutAddress => Topology.OutAddress;

    public Namespace Host => Topology.Host;

    public Namespace Out => Topology.Out;

    /// <summary>Attaches one more container, which owns the port for both protocols.</summary>
    public Container Add(int port) => Add(port, Plugin.Config.WithPorts(port));

    /// <summary>Attaches one more container; the port is only noted.</summary>
    public Container Add(int port, NetworkConfig config)
    {
        Namespace place = Topology.AddContainerNamespace();
        string id = $"c{_containers.Count + 1}";
        PluginResult result = Plugin.Add(place, id, config: config).Require();
        string hostEnd = result.Member("interfaces")!.Value.EnumerateArray()
            .First(one => !one.TryGetProperty("sandbox", out JsonElement sandbox) || sandbox.GetString()!.Length == 0).GetProperty("name").GetString()!;
        string[] slice = place.Sysctl("net/ipv4/ip_local_port_range").Split('\t');
        Container container = new(id, place, port, hostEnd, int.Parse(slice[0]), int.Parse(slice[1]));
        _containers.Add(container);
        return container;
    }

    public IPEndPoint AtHost(int port) => new(HostAddress, port);

    public IPEndPoint AtOut(int port = ServerPort) => new(OutAddress, port);

    /// <summary>A frame from OUT to the host's interface.</summary>
    public byte[] FromOut(byte[] packet) => Frames.Ethernet(Topology.HostMac, Topology.OutMac, Frames.EtherTypeIPv4, packet);

    /// <summary>A frame as a container sends it: all have the host's MAC.</summary>
    public byte[] ToOut(byte[] packet) => Frames.Ethernet(Topology.OutMac, Topology.HostMac, Frames.EtherTypeIPv4, packet);

    /// <summary>A frame from a container to the host itself.</summary>
    public byte[] ToHost(byte[] packet) => Frames.Ethernet(Topology.HostMac, Topology.HostMac, Frames.EtherTypeIPv4, packet);

    /// <summary>No packet may go in circles when a test is through.</summary>
    public void AssertQuiet()
    {
        if (!Softirq.WaitForQuiet(Topology))
        {
            throw new InvalidOperationException("packets keep running after the test");
        }
    }

    public void Dispose() => Topology.Dispose();
}
