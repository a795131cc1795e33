using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using CniIsolator.Bench.Control;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Exporter;

/// <summary>
/// A host with containers that the published plugin attached: a slice and two fixed ports each, and a limit in both directions where there are to be queues to be read.
/// </summary>
internal sealed class CrowdedHost : IDisposable
{
    private const int SliceSize = 64;
    private const int FirstPort = 31000;
    private const int PortsPerContainer = 2;
    private const long BytesPerSecond = 12_500_000;
    private const string ChildTable = "net/ipv4/tcp_child_ehash_entries";

    private readonly List<Socket> _sockets = [];

    private CrowdedHost(Topology topology) => Topology = topology;

    public Topology Topology { get; }

    /// <summary>
    /// KiB of the kernel's vmalloc area that each container's namespace took when it was made, before it was attached. The table of connections lies there, but
    /// whatever else the machine does counts, too: only differences between hosts say something.
    /// </summary>
    public double NamespaceKibibytes { get; private set; }

    /// <param name="containers">How many.</param>
    /// <param name="tableEntries">Places in the table of connections that each container's namespace has of its own (kernel 6.1); 0 where they share the machine's.</param>
    /// <param name="connected">Whether each container has a listener and a connection from outside.</param>
    /// <param name="limited">Whether each has a limit in both directions.</param>
    public static CrowdedHost Build(int containers, int tableEntries = 0, bool connected = false, bool limited = true)
    {
        string table = tableEntries > 0 ? $", tables of {tableEntries} places" : "";
        Progress.Say($"a host with {containers} containers{(limited ? ", limits" : "")}{(connected ? ", connected" : "")}{table}");
        CrowdedHost host = new(new Topology());
        try
        {
            host.Attach(host.AddNamespaces(containers, tableEntries), limited);
            if (connected)
            {
                host.Connect();
            }

            return host;
        }
        catch
        {
            host.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach (Socket socket in _sockets)
        {
            socket.Dispose();
        }

        Topology.Dispose();
    }

    /// <summary>A namespace takes the setting from the one that its maker is in: here the host, as a container's runtime is.</summary>
    private List<Namespace> AddNamespaces(int containers, int tableEntries)
    {
        if (tableEntries > 0)
        {
            Topology.Host.Sysctl(ChildTable, tableEntries.ToString(CultureInfo.InvariantCulture));
        }

        double before = VmallocKibibytes();
        List<Namespace> made = [.. Enumerable.Range(0, containers).Select(_ => Topology.Host.Run(() => Topology.AddContainerNamespace()))];
        NamespaceKibibytes = (VmallocKibibytes() - before) / containers;

        // Negative where the table is shared.
        int places = int.Parse(made[0].Sysctl("net/ipv4/tcp_ehash_entries"), CultureInfo.InvariantCulture);
        return (tableEntries > 0 ? places == tableEntries : places < 0)
            ? made
            : throw new InvalidOperationException($"a container's table of connections has {places} places");
    }

    private void Attach(List<Namespace> containers, bool limited)
    {
        PluginChain plugin = new(
            Contestants.Own,
            Topology,
            Path.GetDirectoryName(Testbed.Plugin.DefaultBinary)!,
            number =>
            {
                int port = Port(number);
                JsonObject configuration = Contestants.OwnConfiguration(Topology, SliceSize, port, port + 1);
                if (limited)
                {
                    configuration["egressRateLimitPerContainer"] = BytesPerSecond;
                    configuration["ingressRateLimitPerContainer"] = BytesPerSecond;
                }

                return [configuration];
            });
        for (int number = 0; number < containers.Count; number++)
        {
            plugin.Add(number, containers[number]);
        }
    }

    private void Connect()
    {
        for (int number = 0; number < Topology.Containers.Count; number++)
        {
            Socket listener = Make(Topology.Containers[number]);
            listener.Bind(new IPEndPoint(IPAddress.Any, Port(number)));
            listener.Listen(1);
            Make(Topology.Out).Connect(new IPEndPoint(Topology.HostAddress, Port(number)));
            _sockets.Add(listener.Accept());
        }
    }

    private Socket Make(Namespace place)
    {
        Socket socket = place.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        _sockets.Add(socket);
        return socket;
    }

    private static int Port(int number) => FirstPort + (number * PortsPerContainer);

    private static double VmallocKibibytes()
    {
        string line = File.ReadLines("/proc/meminfo").First(line => line.StartsWith("VmallocUsed:", StringComparison.Ordinal));
        return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
