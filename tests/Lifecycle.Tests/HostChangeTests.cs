using System.Net;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>
/// The host changes under running containers: CHECK and "doctor" say what does not fit any more, "repair --all" has every container follow,
/// traffic flows again, and the end is a host without any trace.
/// </summary>
public sealed class HostChangeTests
{
    private static readonly IPAddress NewAddress = IPAddress.Parse("10.77.0.9");

    // What happens to the host and its world; the address that it has then; whether CHECK, whose prevResult has the first one, can be content.
    private static readonly (string Name, Action<Topology> Change, IPAddress? Address)[] Changes =
    [
        ("address", net => net.Host.IpBatch("address flush dev eth0", "address add 10.77.0.9/24 dev eth0", "route add default via 10.77.0.1"), NewAddress),
        ("prefix", net => net.Host.IpBatch("address flush dev eth0", "address add 10.77.0.2/16 dev eth0", "route add default via 10.77.0.1"), null),
        ("MAC", net => net.Host.Ip("link set eth0 address 02:00:00:00:00:77"), null),
        ("smaller MTU", net =>
        {
            net.Host.Ip("link set eth0 mtu 1400");
            net.Out.Ip($"link set {Topology.OutInterface} mtu 1400");
        }, null),
        ("gateway", net =>
        {
            net.Out.Ip($"address add 10.77.0.254/24 dev {Topology.OutInterface}");
            net.Host.IpBatch("route del default", "route add default via 10.77.0.254");
        }, null),
        ("clsact replaced", net => net.Host.TcBatch("qdisc del dev eth0 clsact", "qdisc add dev eth0 clsact", "qdisc del dev lo clsact"), null),
        ("root qdisc replaced and clsact gone", net => net.Host.TcBatch("qdisc replace dev eth0 root handle 9: htb", "qdisc del dev eth0 clsact"), null),
        ("lo down and its filters gone", net =>
        {
            net.Host.Tc("qdisc del dev lo clsact");
            net.Host.Ip("link set lo down");
        }, null),
        ("master made again", Remake, null),
    ];

    public static TheoryData<string> Names => [.. Changes.Select(one => one.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Containers_follow(string name)
    {
        (_, Action<Topology> change, IPAddress? moved) = Changes.Single(one => one.Name == name);
        using Bed bed = new();
        Namespace first = bed.Added("c1", 31005);
        Namespace second = bed.Added("c2", 31006);
        change(bed.Net);
        Assert.Equal(106, bed.Plugin.Check(first, "c1").ErrorCode);
        CommandResult told = bed.Plugin.CommandLine("doctor");
        Assert.Equal(1, told.ExitCode);
        Bed.Says(told.Output, "FAULT", "-> cni-portmap-isolate repair");

        CommandResult repaired = bed.Plugin.CommandLine("repair", "--all");
        Assert.True(repaired.ExitCode == 0 && repaired.Error.Length == 0, repaired.ToString());
        IPAddress address = moved ?? bed.Net.HostAddress;
        await AssertTrafficAsync(bed, first, 31005, address);
        await AssertTrafficAsync(bed, second, 31006, address);
        await AssertReachesAsync(first, second, 31006, address);
        CommandResult healthy = bed.Plugin.CommandLine("doctor");
        Assert.True(healthy.ExitCode == 0, healthy.ToString());
        PluginResult check = bed.Plugin.Check(first, "c1");
        if (moved is null && name != "prefix")
        {
            check.Require();
        }
        else
        {
            Bed.Fails(check, 106, "prevResult", "1 difference ");
        }

        bed.Plugin.Del(first, "c1").Require();
        bed.Plugin.CommandLine("uninstall", "--force").Require();
        AssertNoTrace(bed);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void DEL_and_uninstall_need_no_repair(string name)
    {
        using Bed bed = new();
        Namespace first = bed.Added("c1", 31005);
        bed.Added("c2", 31006);
        Changes.Single(one => one.Name == name).Change(bed.Net);
        bed.Plugin.Del(first, "c1").Require();
        bed.Plugin.CommandLine("uninstall", "--force").Require();
        AssertNoTrace(bed);
    }

    [Fact]
    public async Task A_master_that_goes_down_and_up_loses_its_routes_and_nothing_else()
    {
        using Bed bed = new();
        Namespace first = bed.Added("c1", 31005);
        Namespace second = bed.Added("c2", 31006);
        bed.Host.Ip("link set eth0 down");
        Bed.Fails(bed.Plugin.Check(first, "c1"), 106, "the interface is down");
        Bed.Says(bed.Plugin.CommandLine("doctor").Output, "FAULT    master: master \"eth0\": the interface is down", "-> ip link set eth0 up");
        await AssertReachesAsync(first, second, 31006, bed.Net.HostAddress);
        bed.Host.Ip("link set eth0 up");
        Bed.Fails(bed.Plugin.Check(first, "c1"), 106, "gateway of eth0: expected 10.77.0.1, found none");

        // The containers keep their route: the host alone has lost it.
        CommandResult repaired = bed.Plugin.CommandLine("repair", "c1");
        Assert.Equal(1, repaired.ExitCode);
        Bed.Says(repaired.Output, "STILL WRONG  testnet/c1/eth0: gateway of eth0");
        Assert.Contains("default via 10.77.0.1", first.Ip("route show"), StringComparison.Ordinal);
        await bed.AssertReachableAsync(first, 31005);
        await bed.AssertReachesOutAsync(second, "c2");
        bed.Host.Ip("route add default via 10.77.0.1 dev eth0");
        bed.Plugin.Check(first, "c1").Require();
        bed.Plugin.Check(second, "c2").Require();
        bed.Plugin.CommandLine("uninstall", "--force").Require();
        AssertNoTrace(bed);
    }

    internal static void Remake(Topology net)
    {
        net.Host.Ip("link del eth0");
        Make(net);
    }

    internal static void Make(Topology net)
    {
        net.Host.IpBatch(
            $"link add eth0 type veth peer name {Topology.OutInterface} netns {net.Out.Name}",
            "address add 10.77.0.2/24 dev eth0",
            "link set eth0 up");
        net.Out.IpBatch($"address add 10.77.0.1/24 dev {Topology.OutInterface}", $"link set {Topology.OutInterface} up");
        net.Host.Ip("route add default via 10.77.0.1");
        Wait.Until(() => net.Host.Ip("-j link show dev eth0").Contains("\"operstate\":\"UP\"", StringComparison.Ordinal), "eth0 to be up again");
    }

    private static async Task AssertTrafficAsync(Bed bed, Namespace container, int port, IPAddress address)
    {
        await AssertReachesAsync(bed.Net.Out, container, port, address);
        await AssertReachesAsync(bed.Host, container, port, address);
        await AssertReachesAsync(bed.Host, container, port, IPAddress.Loopback);
        using EchoServer server = EchoServer.Start(bed.Net.Out, Transport.Tcp, bed.Net.RoutedAddress, 7007);
        ProbeResult result = await Probe.RunAsync(container, Transport.Tcp, server.EndPoint, new ProbeOptions { StreamBytes = 200_000 });
        Assert.True(result.Ok && address.Equals(result.Peer?.Address), result.ToString());
    }

    private static async Task AssertReachesAsync(Namespace from, Namespace container, int port, IPAddress address)
    {
        using EchoServer server = EchoServer.Start(container, Transport.Tcp, IPAddress.Any, port);
        ProbeResult result = await Probe.RunAsync(from, Transport.Tcp, new IPEndPoint(address, port), new ProbeOptions { StreamBytes = 200_000 });
        Assert.True(result.Ok, $"{from} to {port}: {result}");
    }

    /// <summary>The host's own settings as before the first ADD, and nothing of ours; what the change itself made stays.</summary>
    internal static void AssertNoTrace(Bed bed, bool storeIsGone = true)
    {
        Assert.DoesNotContain(": pmi", bed.Host.Ip("-o link show"), StringComparison.Ordinal);
        Assert.DoesNotContain("clsact", bed.Host.Tc("qdisc show dev lo"), StringComparison.Ordinal);
        Assert.Equal("", bed.Host.Tc("filter show dev eth0 ingress").Trim());
        Assert.Contains("02:00:00:00:00:0a", bed.Host.Ip("link show dev lo"), StringComparison.Ordinal);
        Assert.Equal(("0", "0"), (bed.Host.Sysctl("net/ipv4/conf/lo/accept_local"), bed.Host.Sysctl("net/ipv4/conf/lo/route_localnet")));
        Assert.Equal(!storeIsGone, Directory.Exists(bed.Store));
    }
}
