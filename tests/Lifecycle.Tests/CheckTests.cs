using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>CHECK finds whatever differs from what ADD made, and says what, what was expected and what it found.</summary>
public sealed class CheckTests
{
    /// <summary>One way of tampering, with what CHECK must say. VETH stands for the host's end.</summary>
    private static readonly (string Name, Action<Bed, Namespace> Do, string[] Said)[] Tampering =
    [
        ("host end down", Host("ip link set VETH down"), ["state of VETH", "expected up", "found down"]),
        ("container end down", Inside("ip link set eth0 down"), ["state of eth0", "expected up", "found down"]),
        ("host end MAC", Host("ip link set VETH address 02:00:00:00:00:99"), ["MAC of VETH", "02:00:00:00:00:99"]),
        ("container end MAC", Inside("ip link set eth0 address 02:00:00:00:00:99"), ["MAC of eth0", "02:00:00:00:00:99"]),
        ("host end MTU", Host("ip link set VETH mtu 1300"), ["MTU of VETH", "expected 1500", "found 1300"]),
        ("container end MTU", Inside("ip link set eth0 mtu 1300"), ["MTU of eth0", "expected 1500", "found 1300"]),
        ("container lo MTU", Inside("ip link set lo mtu 65536"), ["MTU of lo in the container", "expected 1500", "found 65536"]),
        ("container lo MAC", Inside("ip link set lo address 02:00:00:00:00:99"), ["MAC of lo in the container", "02:00:00:00:00:99"]),
        ("container lo down", Inside("ip link set lo down"), ["state of lo in the container", "found down"]),
        ("address", Inside("ip address del 10.77.0.2/24 dev eth0"), ["address of eth0", "expected 10.77.0.2/24", "found none"]),
        ("another address", Inside("ip address replace 10.77.0.2/16 dev eth0", "ip address del 10.77.0.2/24 dev eth0"), ["10.77.0.2/24", "found 10.77.0.2/16"]),
        ("route", Inside("ip route del default"), ["default route", "via 10.77.0.1 dev eth0", "found none"]),
        ("shared filter on the master", Host("tc filter del dev eth0 ingress protocol ip prio 28782 handle 601::2 u32"), ["filter 601:0:2 on eth0", "found none"]),
        ("shared filter on lo", Host("tc filter del dev lo ingress protocol ip prio 28782 handle 603::1 u32"), ["filter 603:0:1 on lo", "found none"]),
        ("shared ARP filter", Host("tc filter del dev eth0 ingress protocol arp prio 28781 handle 800::1 u32"), ["on eth0", "found none"]),
        ("slice entry on the master", Host("tc filter del dev eth0 ingress protocol ip prio 28782 handle 610:40:801 u32"), ["filter 610:40:801 on eth0", "found none"]),
        ("port entry on lo", Host("tc filter del dev lo ingress protocol ip prio 28782 handle 611:79:1e u32"), ["filter 611:79:1e on lo", "found none"]),
        ("ARP entry", Host("tc filter del dev eth0 ingress protocol arp prio 28781 handle 60b::1 u32"), ["filter 60b:0:1 on eth0", "found none"]),
        ("policing", Host("tc filter del dev VETH ingress protocol ip prio 28782 handle 701::4 u32"), ["filter 701:0:4 on VETH", "found none"]),
        ("ARP policing", Host("tc filter del dev VETH ingress protocol arp prio 28781 handle 800::1 u32"), ["on VETH", "found none"]),
        ("container lo filter", Inside("tc filter del dev lo ingress protocol ip prio 28782 handle 700:6:ffe u32"), ["filter 700:6:ffe on lo in the container", "found none"]),
        ("container eth0 filter", Inside("tc filter del dev eth0 ingress protocol ip prio 28782 handle 800::1 u32"), ["on eth0 in the container", "found none"]),
        ("target of an entry", Host(
            "tc filter del dev eth0 ingress protocol ip prio 28782 handle 611:79:1e u32",
            "tc filter add dev eth0 ingress protocol ip prio 28782 handle 611:79:1e u32 ht 611:79: match u32 0x0000791d 0x0000ffff at 0 action mirred egress redirect dev lo"),
            ["filter 611:79:1e on eth0", "redirect", "expected", "found"]),
        ("added policing filter", Host("tc filter add dev VETH ingress protocol ip prio 28782 u32 match u32 0 0 action mirred egress redirect dev eth0"), ["on VETH", "expected none"]),
        ("filter before the policing", Host("tc filter add dev VETH ingress protocol ip prio 1 u32 match u32 0 0 action mirred egress redirect dev eth0"), ["on VETH", "expected none"]),
        ("added container filter", Inside("tc filter add dev lo ingress protocol ip prio 28782 u32 match u32 0 0 action mirred egress redirect dev eth0"), ["on lo in the container", "expected none"]),
        ("host end qdisc", Host("tc qdisc del dev VETH clsact"), ["on VETH", "found none"]),
        ("master qdisc", Host("tc qdisc del dev eth0 clsact"), ["on eth0", "found none"]),
        ("host lo qdisc", Host("tc qdisc del dev lo clsact"), ["on lo", "found none"]),
        ("container lo qdisc", Inside("tc qdisc del dev lo clsact"), ["on lo in the container", "found none"]),
        ("container eth0 qdisc", Inside("tc qdisc del dev eth0 clsact"), ["on eth0 in the container", "found none"]),
        ("host lo MAC", Host("ip link set lo address 02:00:00:00:00:99"), ["MAC of the host's lo", "02:00:00:00:00:99"]),
        ("master MTU", Host("ip link set eth0 mtu 1400"), ["MTU of eth0", "expected 1500", "found 1400"]),
        ("host lo accept_local", HostSysctl("conf/lo/accept_local", "0"), ["host sysctl net/ipv4/conf/lo/accept_local", "expected 1", "found 0"]),
        ("host lo route_localnet", HostSysctl("conf/lo/route_localnet", "0"), ["host sysctl net/ipv4/conf/lo/route_localnet", "expected 1", "found 0"]),
        ("host end arp_ignore", HostSysctl("conf/VETH/arp_ignore", "0"), ["conf/VETH/arp_ignore", "expected 8", "found 0"]),
        ("local port range", InsideSysctl("ip_local_port_range", "32768 60999"), ["ip_local_port_range", "16384", "32768"]),
        ("container eth0 accept_local", InsideSysctl("conf/eth0/accept_local", "0"), ["conf/eth0/accept_local", "expected 1", "found 0"]),
        ("container lo accept_local", InsideSysctl("conf/lo/accept_local", "0"), ["container sysctl net/ipv4/conf/lo/accept_local", "expected 1", "found 0"]),
        ("container lo route_localnet", InsideSysctl("conf/lo/route_localnet", "0"), ["container sysctl net/ipv4/conf/lo/route_localnet", "found 0"]),
        ("container IPv6", InsideSysctl("../ipv6/conf/eth0/disable_ipv6", "0"), ["conf/eth0/disable_ipv6", "expected 1", "found 0"]),
        ("record deleted", (bed, _) => File.Delete(bed.RecordPath("c1")), ["record", "testnet/c1/eth0", "found none"]),
        ("record still creating", (bed, _) => bed.EditRecord("c1", record => record["state"] = "creating"), ["state of the record", "expected ready", "found creating"]),
        ("host end gone", Host("ip link del VETH"), ["link VETH", "expected a veth", "found none"]),
    ];

    public static TheoryData<string> Names => [.. Tampering.Select(one => one.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_difference_is_found_and_described(string name)
    {
        (_, Action<Bed, Namespace> tamper, string[] said) = Tampering.Single(one => one.Name == name);
        using Bed bed = new();
        NetworkConfig config = bed.Config.WithPorts(31005);
        Namespace container = bed.Container();
        bed.Plugin.Add(container, "c1", config: config).Require();
        string veth = bed.HostInterface("c1");
        bed.Plugin.Check(container, "c1", config: config).Require();
        tamper(bed, container);
        PluginResult result = bed.Plugin.Check(container, "c1", config: config);
        Bed.Fails(result, 106);
        Bed.Says(result.ErrorDetails, [.. said.Select(part => part.Replace("VETH", veth, StringComparison.Ordinal)), "expected", "found"]);
        bed.Plugin.Del(container, "c1", config: config).Require();
        Assert.Empty(bed.Records);
        Assert.DoesNotContain(veth, bed.Host.Ip("-o link show"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_previous_result_with_another_address_or_sandbox_is_a_difference_and_its_absence_an_error()
    {
        using Bed bed = new();
        Namespace container = bed.Container();
        string result = bed.Plugin.Add(container, "c1").Require().Output;
        Bed.Fails(With(result.Replace("10.77.0.2/24", "10.77.0.9/24", StringComparison.Ordinal)), 106, "prevResult", "10.77.0.2/24", "10.77.0.9/24");
        Bed.Fails(With(result.Replace(container.Path, "/run/netns/other", StringComparison.Ordinal)), 106, "prevResult", container.Path, "/run/netns/other");
        Bed.Fails(With(result.Replace("\"pmi", "\"xyz", StringComparison.Ordinal)), 106, "prevResult", bed.HostInterface("c1"));
        Bed.Fails(With(null), 7, "prevResult missing");
        Assert.Equal("", With(result).Require().Output);

        PluginResult With(string? previous) => bed.Plugin.Run(bed.Plugin.Attachment(
            "CHECK", container.Path, "c1", config: bed.Config.With("prevResult", previous is null ? null : JsonNode.Parse(previous))));
    }

    // Docker sets the first when it starts; the kernel writes it, and the IPv6 ones, to every device.
    [Theory]
    [InlineData("ip_forward", "1")]
    [InlineData("conf/all/forwarding", "1")]
    [InlineData("conf/all/rp_filter", "2")]
    [InlineData("conf/VETH/rp_filter", "2")]
    [InlineData("../ipv6/conf/all/forwarding", "1")]
    [InlineData("../ipv6/conf/all/disable_ipv6", "0")]
    [InlineData("../ipv6/conf/default/disable_ipv6", "0")]
    [InlineData("../ipv6/conf/VETH/disable_ipv6", "0")]
    public void What_an_administrator_may_set_without_harm_is_no_difference(string name, string value)
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1");
        string path = name.Replace("VETH", bed.HostInterface("c1"), StringComparison.Ordinal);
        bed.Host.Sysctl($"net/ipv4/{path}", value);
        bed.Plugin.Check(container, "c1").Require();
        Assert.Equal("nothing to repair", bed.Plugin.CommandLine("repair", "c1").Output.Trim());
        Assert.Equal(value, bed.Host.Sysctl($"net/ipv4/{path}"));
    }

    [Fact]
    public void What_a_later_plugin_adds_is_no_difference()
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1");
        container.Ip("route add 203.0.113.0/24 via 10.77.0.1");
        container.Ip("route add default via 10.77.0.1 metric 500");
        container.Sysctl("net/core/somaxconn", "512");
        container.Ip("address add 192.0.2.1/32 dev lo");
        bed.Plugin.Check(container, "c1").Require();
    }

    [Fact]
    public void A_port_that_the_configuration_asks_for_and_the_record_lacks_is_a_difference()
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        Bed.Fails(bed.Plugin.Check(container, "c1", config: bed.Config.WithPorts(31005, 31008)), 106, "ports", "expected tcp/31008", "tcp/31005");
        bed.Plugin.Check(container, "c1", config: bed.Config.WithPorts(31005)).Require();
    }

    [Fact]
    public void Another_container_s_namespace_and_an_unknown_container_are_differences()
    {
        using Bed bed = new();
        Namespace first = bed.Added("c1");
        Namespace second = bed.Added("c2");
        Bed.Fails(bed.Plugin.Check(second, "c1"), 106, "namespace", "expected", "found");
        Bed.Fails(bed.Plugin.Check(first, "nobody", config: bed.Config.With("prevResult", JsonNode.Parse("""{"cniVersion":"1.1.0","ips":[]}"""))), 106, "testnet/nobody/eth0");
    }

    [Fact]
    public void All_differences_are_listed_not_only_the_first()
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1");
        container.Ip("link set eth0 mtu 1300");
        bed.Host.Ip("link set lo address 02:00:00:00:00:99");
        Bed.Fails(bed.Plugin.Check(container, "c1"), 106, "2 differences", "MTU of eth0", "MAC of the host's lo");
    }

    private static Action<Bed, Namespace> Host(params string[] commands) => (bed, _) => Execute(bed.Host, commands, bed.HostInterface("c1"));

    private static Action<Bed, Namespace> Inside(params string[] commands) => (_, container) => Execute(container, commands, "");

    private static Action<Bed, Namespace> HostSysctl(string name, string value) =>
        (bed, _) => bed.Host.Sysctl($"net/ipv4/{name.Replace("VETH", bed.HostInterface("c1"), StringComparison.Ordinal)}", value);

    private static Action<Bed, Namespace> InsideSysctl(string name, string value) => (_, container) => container.Sysctl($"net/ipv4/{name}", value);

    private static void Execute(Namespace place, string[] commands, string veth)
    {
        foreach (string command in commands)
        {
            string[] words = command.Replace("VETH", veth, StringComparison.Ordinal).Split(' ');
            place.Execute(words[0], words[1..]).Require();
        }
    }
}
