using System.Net;
using System.Text.Json;

namespace CniIsolator.Testbed;

/// <summary>What a test may want to be different about its network.</summary>
public sealed record TopologyOptions
{
    /// <summary>The name of the host's interface.</summary>
    public string Master { get; init; } = "eth0";

    /// <summary>The MTU of the wire between the host and the outside.</summary>
    public int Mtu { get; init; } = 1500;

    /// <summary>net.ipv4.conf.{all,default}.rp_filter of the host: distributions have 2 or 1.</summary>
    public int ReversePathFilter { get; init; } = 2;

    /// <summary>Whether the host is also a router for a second network behind it.</summary>
    public bool Transit { get; init; }
}

/// <summary>
/// A host that owns one address, and the world outside it: OUT is a router with an on-link address and, behind it, a routed one.
/// Containers are empty namespaces, as a runtime hands them to a plugin.
/// </summary>
public sealed class Topology : IDisposable
{
    /// <summary>The interface of OUT towards the host.</summary>
    public const string OutInterface = "wire0";

    /// <summary>The interface of the host towards the transit network.</summary>
    public const string TransitInterface = "eth1";

    // What a few hundred records and a log may take.
    private const long StateSpace = 32 << 20;

    private static int _count;

    private readonly List<Namespace> _containers = [];

    /// <summary>Builds the network; what was built is removed again if a step fails.</summary>
    public Topology(TopologyOptions? options = null)
    {
        Options = options ?? new TopologyOptions();
        Out = Namespace.Create("out");
        Host = Namespace.Create("host");
        StateDirectory = Path.Combine(StateRoot, $"{Namespace.Prefix}{Environment.ProcessId}-{Interlocked.Increment(ref _count)}-state");
        try
        {
            Directory.CreateDirectory(StateDirectory);
            Build();
            if (Options.Transit)
            {
                Transit = Namespace.Create("transit");
                BuildTransit(Transit);
            }

            WaitForLink(Host, Options.Master);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What it was built with.</summary>
    public TopologyOptions Options { get; }

    /// <summary>The router outside.</summary>
    public Namespace Out { get; }

    /// <summary>The host that the plugin runs on.</summary>
    public Namespace Host { get; }

    /// <summary>A namespace behind the host, which forwards for it; null unless asked for.</summary>
    public Namespace? Transit { get; }

    /// <summary>The containers made so far.</summary>
    public IReadOnlyList<Namespace> Containers => _containers;

    /// <summary>
    /// Where state directories are made: in memory, as the plugin's own is (/run), so that tests do not wait for a disk at each fsync.
    /// </summary>
    public static string StateRoot { get; } = ChooseStateRoot();

    /// <summary>A temporary directory for the plugin's state and log.</summary>
    public string StateDirectory { get; }

    /// <summary>The host's one address, which the containers share.</summary>
    public IPAddress HostAddress { get; } = IPAddress.Parse("10.77.0.2");

    /// <summary>The outside, on the host's own link.</summary>
    public IPAddress OutAddress { get; } = IPAddress.Parse("10.77.0.1");

    /// <summary>The outside, behind the router.</summary>
    public IPAddress RoutedAddress { get; } = IPAddress.Parse("198.51.100.7");

    /// <summary>The transit namespace's address.</summary>
    public IPAddress TransitAddress { get; } = IPAddress.Parse("10.88.0.2");

    /// <summary>The MAC address of the host's interface.</summary>
    public MacAddress HostMac => Mac(Host, Options.Master);

    /// <summary>The MAC address of the router's interface.</summary>
    public MacAddress OutMac => Mac(Out, OutInterface);

    /// <summary>A fresh namespace with lo down, as a runtime makes it (some set lo up first).</summary>
    public Namespace AddContainerNamespace(bool loopbackUp = false)
    {
        Namespace container;
        lock (_containers)
        {
            container = Namespace.Create($"c{_containers.Count + 1}");
            _containers.Add(container);
        }

        if (loopbackUp)
        {
            container.Ip("link set lo up");
        }

        return container;
    }

    /// <summary>Removes everything that this topology made.</summary>
    public void Dispose()
    {
        lock (_containers)
        {
            foreach (Namespace container in _containers)
            {
                container.Dispose();
            }
        }

        Transit?.Dispose();
        Host.Dispose();
        Out.Dispose();
        if (Directory.Exists(StateDirectory))
        {
            Directory.Delete(StateDirectory, recursive: true);
        }
    }

    private static string ChooseStateRoot()
    {
        const string Memory = "/dev/shm";
        return Directory.Exists(Memory) && new DriveInfo(Memory) is { DriveFormat: "tmpfs", AvailableFreeSpace: > StateSpace }
            ? Memory
            : Path.GetTempPath();
    }

    private void Build()
    {
        // Before any link appears: an interface takes its own value from `default` when it is made.
        string filter = Options.ReversePathFilter.ToString();
        Host.Sysctls(
            [.. Stock(filter), ("net/ipv4/ip_local_port_range", "32768 60999")]);
        Out.Sysctls([.. Stock("0"), ("net/ipv4/ip_forward", "1")]);
        Host.IpBatch(
            "link set lo up",
            $"link add {Options.Master} mtu {Options.Mtu} type veth peer name {OutInterface} mtu {Options.Mtu} netns {Out.Name}");
        Out.IpBatch(
            "link set lo up",
            $"address add {OutAddress}/24 dev {OutInterface}",
            $"address add {RoutedAddress}/32 dev lo",
            $"link set {OutInterface} up");
        Host.IpBatch(
            $"address add {HostAddress}/24 dev {Options.Master}",
            $"link set {Options.Master} up",
            $"route add default via {OutAddress} dev {Options.Master}");
    }

    private void BuildTransit(Namespace transit)
    {
        transit.Sysctls(Stock("0"));
        Host.Sysctl("net/ipv4/ip_forward", "1");
        Host.IpBatch(
            $"link add {TransitInterface} mtu {Options.Mtu} type veth peer name eth0 mtu {Options.Mtu} netns {transit.Name}",
            $"address add 10.88.0.1/24 dev {TransitInterface}",
            $"link set {TransitInterface} up");
        transit.IpBatch(
            "link set lo up",
            $"address add {TransitAddress}/24 dev eth0",
            "link set eth0 up",
            "route add default via 10.88.0.1");
        Out.Ip($"route add 10.88.0.0/24 via {HostAddress}");
        WaitForLink(Host, TransitInterface);
    }

    /// <summary>
    /// A new namespace copies the machine's own settings, so the ones that matter here are given explicitly. IPv6 stays on, only its
    /// duplicate address detection is off: it would keep every new address tentative for a second.
    /// </summary>
    private static (string Name, string Value)[] Stock(string reversePathFilter) =>
    [
        .. from scope in new[] { "all", "default" }
           from setting in new[] { ("rp_filter", reversePathFilter), ("accept_local", "0"), ("route_localnet", "0"), ("forwarding", "0") }
           select ($"net/ipv4/conf/{scope}/{setting.Item1}", setting.Item2),
        ("net/ipv4/conf/lo/rp_filter", reversePathFilter),
        ("net/ipv6/conf/all/accept_dad", "0"),
        ("net/ipv6/conf/default/accept_dad", "0"),
    ];

    private static MacAddress Mac(Namespace place, string link)
    {
        using JsonDocument shown = JsonDocument.Parse(place.Ip($"-j link show dev {link}"));
        return MacAddress.Parse(shown.RootElement[0].GetProperty("address").GetString()!);
    }

    private static void WaitForLink(Namespace place, string link) =>
        Wait.Until(() => place.Ip($"-j link show dev {link}").Contains("\"operstate\":\"UP\"", StringComparison.Ordinal), $"{link} in {place} to be up");
}
