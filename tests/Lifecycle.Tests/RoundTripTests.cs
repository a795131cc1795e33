using System.Text.Json;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>ADD, CHECK and DEL in every version of the specification, compared with the kernel and the store.</summary>
public sealed class RoundTripTests
{
    public static TheoryData<string> Versions => ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task An_attachment_comes_is_checked_and_goes(string version)
    {
        using Bed bed = new(config => config with { CniVersion = version });
        Namespace container = bed.Container();
        NetworkConfig config = bed.Config.WithPorts(31005)
            .With("dns", JsonNode.Parse("""{"nameservers":["192.0.2.53"],"domain":"example","search":["a.example"],"options":["ndots:2"]}"""));
        PluginResult added = bed.Plugin.Add(container, "c1", config: config).Require();
        Assert.Equal(version, added.Member("cniVersion")!.Value.GetString());
        JsonElement dns = added.Member("dns")!.Value;
        Assert.Equal("192.0.2.53", dns.GetProperty("nameservers")[0].GetString());
        Assert.Equal("example", dns.GetProperty("domain").GetString());
        Assert.Equal("a.example", dns.GetProperty("search")[0].GetString());
        Assert.Equal("ndots:2", dns.GetProperty("options")[0].GetString());
        if (version is "0.1.0" or "0.2.0")
        {
            AssertFamilyShape(added);
        }
        else
        {
            AssertListShape(added, version, container, bed);
        }

        AssertKernel(bed, container);
        await bed.AssertReachableAsync(container, 31005);
        await bed.AssertReachesOutAsync(container, "c1");
        PluginResult check = bed.Plugin.Check(container, "c1", config: config);
        if (version[..3] is "0.1" or "0.2" or "0.3")
        {
            Bed.Fails(check, 1, "does not allow CHECK");
        }
        else
        {
            Assert.Equal("", check.Require().Output);
        }

        Assert.Equal("", bed.Plugin.Del(container, "c1", config: config).Require().Output);
        bed.AssertClean();
        Bed.AssertLoopbackRestored(container);
        Assert.DoesNotContain("eth0", container.Ip("-o link show"), StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_dns_is_left_out_or_empty_and_a_result_of_an_earlier_plugin_is_kept()
    {
        using Bed bed = new(config => config with { CniVersion = "1.0.0" });
        Namespace container = bed.Container();
        NetworkConfig config = bed.Config.With("prevResult", JsonNode.Parse("""
            {"cniVersion":"1.0.0","interfaces":[{"name":"other0","mac":"02:00:00:00:00:77"}],"ips":[{"address":"192.0.2.9/24","interface":0}],"routes":[{"dst":"192.0.2.0/24"}]}
            """));
        JsonElement result = bed.Plugin.Add(container, "c1", config: config).Require().Json!.RootElement;
        Assert.Equal(["other0", bed.HostInterface("c1"), "eth0"], result.GetProperty("interfaces").EnumerateArray().Select(one => one.GetProperty("name").GetString()!));
        JsonElement own = result.GetProperty("ips").EnumerateArray().Single(ip => ip.GetProperty("address").GetString() == "10.77.0.2/24");
        Assert.Equal(2, own.GetProperty("interface").GetInt32());
        Assert.Equal(2, result.GetProperty("ips").GetArrayLength());
        Assert.True(!result.TryGetProperty("dns", out JsonElement dns) || !dns.EnumerateObject().Any());
        bed.Plugin.Check(container, "c1").Require();
        bed.Plugin.Del(container, "c1").Require();
        bed.AssertClean();
    }

    [Theory]
    [InlineData(1400)]
    [InlineData(9000)]
    public void The_mtu_is_the_master_s_and_the_host_interface_s_name_follows_from_the_key(int mtu)
    {
        using Bed bed = new(options: new TopologyOptions { Mtu = mtu, Master = "enp3s0" });
        Namespace container = bed.Container();
        string first = HostName(bed.Plugin.Add(container, "c1").Require());
        JsonElement shown = Link(container, "eth0");
        Assert.Equal(mtu, shown.GetProperty("mtu").GetInt32());
        Assert.Equal(mtu, Link(bed.Host, first).GetProperty("mtu").GetInt32());
        Assert.Equal(mtu, Link(container, "lo").GetProperty("mtu").GetInt32());
        bed.Plugin.Del(container, "c1").Require();
        Assert.Equal(first, HostName(bed.Plugin.Add(container, "c1").Require()));
        Namespace other = bed.Container();
        Assert.NotEqual(first, HostName(bed.Plugin.Add(other, "c2").Require()));
        bed.Plugin.Del(container, "c1").Require();
        bed.Plugin.Del(other, "c2").Require();
        bed.AssertClean();
    }

    [Fact]
    public void The_master_is_found_by_the_default_route_and_a_host_without_a_gateway_has_no_route_to_give()
    {
        using Bed bed = new(config => config with { Master = null });
        Namespace container = bed.Added("c1");
        Assert.Equal("eth0", (string?)bed.Record("c1")["host"]!["master"]);
        bed.Plugin.Del(container, "c1").Require();
        bed.AssertClean();

        bed.Host.Ip("route del default");
        Bed.Fails(bed.Plugin.Add(container, "c1"), 7, "master", "default route");
        NetworkConfig named = bed.Config with { Master = "eth0" };
        PluginResult result = bed.Plugin.Add(container, "c1", config: named).Require();
        Assert.Null(result.Member("routes"));
        Assert.False(result.Member("ips")!.Value[0].TryGetProperty("gateway", out _));
        Assert.Equal("", container.Ip("route show default"));
        bed.Plugin.Check(container, "c1", config: named).Require();
        bed.Plugin.Del(container, "c1", config: named).Require();
        Assert.Empty(bed.Records);
    }

    private static void AssertFamilyShape(PluginResult added)
    {
        JsonElement ip4 = added.Member("ip4")!.Value;
        Assert.Equal("10.77.0.2/24", ip4.GetProperty("ip").GetString());
        Assert.Equal("10.77.0.1", ip4.GetProperty("gateway").GetString());
        Assert.Equal("0.0.0.0/0", ip4.GetProperty("routes")[0].GetProperty("dst").GetString());
        Assert.Equal("10.77.0.1", ip4.GetProperty("routes")[0].GetProperty("gw").GetString());
        Assert.Null(added.Member("interfaces"));
        Assert.Null(added.Member("ips"));
        Assert.Null(added.Member("ip6"));
    }

    private static void AssertListShape(PluginResult added, string version, Namespace container, Bed bed)
    {
        JsonElement interfaces = added.Member("interfaces")!.Value;
        Assert.Equal(2, interfaces.GetArrayLength());
        (JsonElement host, JsonElement inside) = (interfaces[0], interfaces[1]);
        Assert.Matches("^pmi[0-9a-f]{12}$", host.GetProperty("name").GetString());
        Assert.False(host.TryGetProperty("sandbox", out _));
        Assert.Equal("eth0", inside.GetProperty("name").GetString());
        Assert.Equal(container.Path, inside.GetProperty("sandbox").GetString());
        foreach ((JsonElement said, Namespace place) in new[] { (host, bed.Host), (inside, container) })
        {
            JsonElement link = Link(place, said.GetProperty("name").GetString()!);
            Assert.Equal(link.GetProperty("address").GetString(), said.GetProperty("mac").GetString());
            Assert.Equal(bed.Net.HostMac.ToString(), said.GetProperty("mac").GetString());
            Assert.Equal(version == "1.1.0", said.TryGetProperty("mtu", out JsonElement mtu));
            Assert.True(version != "1.1.0" || mtu.GetInt32() == link.GetProperty("mtu").GetInt32());
        }

        JsonElement ip = Assert.Single(added.Member("ips")!.Value.EnumerateArray());
        Assert.Equal("10.77.0.2/24", ip.GetProperty("address").GetString());
        Assert.Equal("10.77.0.1", ip.GetProperty("gateway").GetString());
        Assert.Equal(1, ip.GetProperty("interface").GetInt32());
        Assert.Equal(version[0] == '0', ip.TryGetProperty("version", out JsonElement family));
        Assert.True(version[0] != '0' || family.GetString() == "4");
        JsonElement route = Assert.Single(added.Member("routes")!.Value.EnumerateArray());
        Assert.Equal("0.0.0.0/0", route.GetProperty("dst").GetString());
        Assert.Equal("10.77.0.1", route.GetProperty("gw").GetString());
        Assert.DoesNotContain("null", added.Output, StringComparison.Ordinal);
    }

    private static void AssertKernel(Bed bed, Namespace container)
    {
        JsonObject record = bed.Record("c1");
        Assert.Equal("ready", (string?)record["state"]);
        Assert.Equal(container.Path, (string?)record["namespace"]!["path"]);
        Assert.Contains("10.77.0.2/24", container.Ip("-o -4 address show dev eth0"), StringComparison.Ordinal);
        Assert.StartsWith("default via 10.77.0.1 dev eth0", container.Ip("route show default"), StringComparison.Ordinal);
        Assert.Equal("16384\t17407", container.Sysctl("net/ipv4/ip_local_port_range"));
        Assert.Equal((Bed.FirstSlice, Bed.FirstSlice + 1023), bed.Slice("c1"));
        string host = bed.HostInterface("c1");
        Bed.Says(bed.Host.Ip($"-o link show dev {host}"), "UP", "alias portmap-isolate testnet c1 eth0");
        Assert.Equal((int)record["numbers"]!["hostEnd"]!, Link(bed.Host, host).GetProperty("ifindex").GetInt32());
        Assert.Equal((int)record["numbers"]!["containerEnd"]!, Link(container, "eth0").GetProperty("ifindex").GetInt32());
        foreach ((Namespace place, string device) in new[] { (bed.Host, host), (bed.Host, "eth0"), (bed.Host, "lo"), (container, "eth0"), (container, "lo") })
        {
            Bed.Says(place.Tc($"qdisc show dev {device}"), "clsact");
            Bed.Says(place.Tc($"filter show dev {device} ingress"), "mirred");
        }
    }

    private static JsonElement Link(Namespace place, string name)
    {
        using JsonDocument shown = JsonDocument.Parse(place.Ip($"-j link show dev {name}"));
        return shown.RootElement[0].Clone();
    }

    private static string HostName(PluginResult added) => added.Member("interfaces")!.Value[0].GetProperty("name").GetString()!;
}
