using System.Net;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>How a host moves, and back.</summary>
internal sealed record HostMove(string Name, Action<Topology> Do, Action<Topology, string>? Undo)
{
    public static readonly IPAddress First = IPAddress.Parse("10.77.0.2");
    public static readonly IPAddress Second = IPAddress.Parse("10.77.0.9");
    private const string OtherGateway = "10.77.0.254";

    public static readonly HostMove[] All =
    [
        new("MAC", net => net.Host.Ip("link set eth0 address 02:00:00:00:00:77"), (net, mac) => net.Host.Ip($"link set eth0 address {mac}"))
        {
            IsAnnounced = true,
        },
        new("MTU", net => SetMtu(net, 1400), (net, _) => SetMtu(net, 1500)),
        new("address", net => SetAddress(net, Second), (net, _) => SetAddress(net, First)) { IsAnnounced = true, Address = Second },
        new("gateway", net => SetGateway(net, "10.77.0.1", OtherGateway), (net, _) => SetGateway(net, OtherGateway, "10.77.0.1")),
        new("index", HostChangeTests.Remake, null) { IsAnnounced = true, IsRefused = true },
        new("name", net => Rename(net, "eth0", "uplink0"), (net, _) => Rename(net, "uplink0", "eth0")) { Master = "uplink0" },
    ];

    /// <summary>Whether neighbours have to be told.</summary>
    public bool IsAnnounced { get; init; }

    /// <summary>Whether no container can be added before a repair.</summary>
    public bool IsRefused { get; init; }

    /// <summary>The master's name from then on.</summary>
    public string Master { get; init; } = "eth0";

    /// <summary>The host's address from then on; null for the same.</summary>
    public IPAddress? Address { get; init; }

    public static HostMove Named(string name) => All.Single(one => one.Name == name);

    private static void SetMtu(Topology net, int mtu)
    {
        net.Host.Ip($"link set eth0 mtu {mtu}");
        net.Out.Ip($"link set {Topology.OutInterface} mtu {mtu}");
    }

    internal static void SetAddress(Topology net, IPAddress address) =>
        net.Host.IpBatch("address flush dev eth0 scope global", $"address add {address}/24 dev eth0", "route add default via 10.77.0.1 dev eth0");

    private static void SetGateway(Topology net, string from, string to)
    {
        net.Out.IpBatch($"address add {to}/24 dev {Topology.OutInterface}", $"address del {from}/24 dev {Topology.OutInterface}");
        if (!net.Out.Ip($"address show dev {Topology.OutInterface}").Contains(to, StringComparison.Ordinal))
        {
            // A secondary one went with the first.
            net.Out.Ip($"address add {to}/24 dev {Topology.OutInterface}");
        }

        net.Host.IpBatch("route del default", $"route add default via {to} dev eth0");
    }

    internal static void Rename(Topology net, string from, string to)
    {
        net.Host.IpBatch($"link set {from} down", $"link set {from} name {to}", $"link set {to} up", $"route add default via 10.77.0.1 dev {to}");
        Wait.Until(() => net.Host.Ip($"-j link show dev {to}").Contains("\"operstate\":\"UP\"", StringComparison.Ordinal), $"{to} to be up");
    }
}
