using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using CniIsolator.Bench.Control;
using CniIsolator.Ipam;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Traffic;

/// <summary>One host, and the place on it that is talked to from outside.</summary>
internal sealed class Scene : IDisposable
{
    private const int SliceSize = 16;
    private const int FirstPort = 31000;
    private const int PoolBegin = 2048;
    private const int PoolSize = 28672;
    private const string Program = "cni-portmap-isolate";

    private Scene(string name, Topology topology, Namespace server, int port, bool isTranslated)
    {
        Name = name;
        Topology = topology;
        Server = server;
        Port = port;
        DatagramPort = isTranslated ? port : 0;
    }

    public string Name { get; }

    public Topology Topology { get; }

    /// <summary>Where the server is.</summary>
    public Namespace Server { get; }

    /// <summary>Where it listens.</summary>
    public int Port { get; }

    /// <summary>Where it waits for datagrams, as 0 any port of its own; behind a translation that is not reached from outside.</summary>
    public int DatagramPort { get; }

    /// <summary>The host's address, whoever has the port.</summary>
    public IPAddress Address => Topology.HostAddress;

    /// <summary>The server on the host itself, as with host networking: no filter, no veth.</summary>
    public static Scene HostNetworking() => Make("host networking", topology => (topology.Host, FirstPort - 1));

    /// <summary>This project's plugin with so many containers, of which the one in the middle is talked to.</summary>
    public static Scene Own(int containers) => Make(
        $"{Program}, {Count(containers)}", topology => (Connect(topology, containers), Middle(containers)));

    /// <summary>The lists that Mesos would have with so many containers, the one in the middle being real.</summary>
    public static Scene Mesos(int containers) => Make(
        $"Mesos' linear lists, {Count(containers)}",
        topology =>
        {
            Namespace server = Connect(topology, 1, containers / 2);
            int slice = int.Parse(server.Sysctl("net/ipv4/ip_local_port_range").Split((char[]?)null)[0], CultureInfo.InvariantCulture);
            topology.Host.Run(() =>
            {
                using NetlinkConnection connection = NetlinkConnection.Open();
                Link master = Links.Find(connection, topology.Options.Master)!;
                Link target = Links.List(connection).Single(link => link.Name.StartsWith("pmi", StringComparison.Ordinal));
                MesosList list = new(master.Index, target.Index, InternetAddress.Parse(topology.HostAddress.ToString()), master.Mac);
                list.Install([.. Enumerable.Range(0, containers).SelectMany(number => Ranges(number, slice + ((number - (containers / 2)) * SliceSize)))]);
            });
            return (server, Middle(containers));
        });

    /// <summary>The usual way: an address for each container, a bridge, and the host's ports translated by netfilter.</summary>
    /// <param name="containers">How many, of which the one in the middle is talked to.</param>
    public static Scene Bridge(int containers) => Make(
        $"bridge + portmap, {Count(containers)}",
        topology =>
        {
            PluginChain chain = Contestants.BridgeChain(topology, number => [FirstPort + number]);
            Namespace? middle = null;
            for (int number = 0; number < containers; number++)
            {
                Namespace container = topology.AddContainerNamespace();
                chain.Add(number, container);
                middle = number == containers / 2 ? container : middle;
            }

            return (middle!, Middle(containers));
        },
        isTranslated: true);

    public void Dispose() => Topology.Dispose();

    private static Scene Make(string name, Func<Topology, (Namespace Server, int Port)> build, bool isTranslated = false)
    {
        Progress.Say(name);
        Topology topology = new();
        try
        {
            (Namespace server, int port) = build(topology);
            return new Scene(name, topology, server, port, isTranslated);
        }
        catch
        {
            topology.Dispose();
            throw;
        }
    }

    private static Namespace Connect(Topology topology, int containers, int first = 0)
    {
        Namespace? middle = null;
        string program = Testbed.Plugin.DefaultBinary;
        for (int number = first; number < first + containers; number++)
        {
            Namespace container = topology.AddContainerNamespace();
            JsonObject input = Contestants.OwnConfiguration(topology, SliceSize, FirstPort + number);
            topology.Host.Run(() => Child.Run(
                program,
                [],
                [
                    ("CNI_COMMAND", "ADD"), ("CNI_CONTAINERID", $"container-{number}"), ("CNI_NETNS", container.Path), ("CNI_IFNAME", "eth0"),
                    ("CNI_PATH", Path.GetDirectoryName(program)!), ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
                ],
                input.ToJsonString())).Require();
            if (number == first + (containers / 2))
            {
                middle = container;
            }
        }

        return middle!;
    }

    /// <summary>What one container owns: a slice and one fixed port, as in the configuration of the plugin.</summary>
    private static IEnumerable<PortRange> Ranges(int number, int slice)
    {
        // The slices lie around the real one's, whatever number it was given; below the pool they go on at its end.
        int begin = slice >= PoolBegin ? slice : slice + PoolSize;
        return [new PortRange((ushort)begin, (ushort)(begin + SliceSize - 1)), PortRange.Single((ushort)(FirstPort + number))];
    }

    private static int Middle(int containers) => FirstPort + (containers / 2);

    private static string Count(int containers) => containers == 1 ? "1 container" : $"{containers} containers";
}
