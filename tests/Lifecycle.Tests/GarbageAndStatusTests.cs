using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>GC removes what is dead and not listed, and nothing else; STATUS tells faults of the host.</summary>
public sealed class GarbageAndStatusTests
{
    private const string Valid = "cni.dev/valid-attachments";
    private const string Old = "cni.dev/attachments";

    [Theory]
    [InlineData(Valid)]
    [InlineData(Old)]
    public void Dead_attachments_that_are_not_listed_are_collected(string key)
    {
        using Bed bed = new();
        bed.Added("listed");
        Namespace alive = bed.Added("alive");
        Namespace dead = bed.Added("dead", 31005);
        Namespace deadButListed = bed.Added("kept");
        SliceTests.Kill(bed, dead, "dead");
        SliceTests.Kill(bed, deadButListed, "kept");
        Assert.Equal("", Collect(bed, (key, ["listed", "kept"])).Require().Output);
        Assert.Equal(["alive", "kept", "listed"], Ids(bed));
        bed.Plugin.Check(alive, "alive").Require();
        bed.Added("next", 31005);
    }

    [Fact]
    public void The_newer_key_wins_over_the_older()
    {
        using Bed bed = new();
        SliceTests.Kill(bed, bed.Added("a"), "a");
        SliceTests.Kill(bed, bed.Added("b"), "b");
        Collect(bed, (Old, ["a"]), (Valid, ["b"])).Require();
        Assert.Equal(["b"], Ids(bed));
    }

    [Fact]
    public void Without_a_list_nothing_goes_and_with_an_empty_one_all_that_is_dead()
    {
        using Bed bed = new();
        SliceTests.Kill(bed, bed.Added("dead"), "dead");
        Namespace alive = bed.Added("alive", 31005);
        Collect(bed).Require();
        Assert.Equal(["alive", "dead"], Ids(bed));
        Collect(bed, (Valid, [])).Require();
        Assert.Equal(["alive"], Ids(bed));
        bed.Plugin.Check(alive, "alive").Require();
        bed.Plugin.Del(alive, "alive").Require();
        bed.AssertClean();
    }

    [Fact]
    public void Other_networks_and_other_interfaces_are_told_apart()
    {
        using Bed bed = new();
        NetworkConfig other = bed.Config with { Name = "other" };
        Namespace elsewhere = bed.Container();
        bed.Plugin.Add(elsewhere, "o", config: other).Require();
        Namespace here = bed.Added("a");

        // Both are there before one dies: the number of its namespace may be the next one's, and that clears it away then.
        SliceTests.Kill(bed, elsewhere, "o");
        SliceTests.Kill(bed, here, "a");
        bed.Plugin.Gc([("a", "eth7")]).Require();
        Assert.Equal(["o"], Ids(bed));
        bed.Plugin.Gc([], other).Require();
        bed.AssertClean();
    }

    [Fact]
    public void A_GC_before_any_ADD_and_in_an_older_version_is_answered()
    {
        using Bed bed = new();
        bed.Plugin.Gc([]).Require();
        bed.AssertClean();
        Bed.Fails(bed.Plugin.Gc([], bed.Config with { CniVersion = "1.0.0" }), 1, "does not allow GC");
        Bed.Fails(bed.Plugin.Status(bed.Config with { CniVersion = "1.0.0" }), 1, "does not allow STATUS");
    }

    [Fact]
    public void STATUS_is_silent_while_all_is_well_and_changes_nothing()
    {
        using Bed bed = new();
        Assert.Equal("", bed.Plugin.Status().Require().Output);
        Assert.False(Directory.Exists(bed.Store));
        bed.AssertClean();
    }

    [Fact]
    public void STATUS_names_what_is_wrong_with_the_host()
    {
        using Bed bed = new();
        Bed.Fails(bed.Plugin.Status(bed.Config with { Master = "gone0" }), 50, "gone0");
        bed.Host.Sysctl("net/ipv4/ip_local_port_range", "20000 60999");
        Bed.Fails(bed.Plugin.Status(), 50, "ephemeralPorts", "16384-24575", "20000-60999");
        bed.Host.Sysctl("net/ipv4/ip_local_port_range", "32768 60999");
        bed.Plugin.Status().Require();
        bed.Host.Ip("link set eth0 down");
        Bed.Fails(bed.Plugin.Status(), 50, "eth0", "down");
    }

    [Fact]
    public void VERSION_lists_every_version_whatever_else_the_environment_says()
    {
        using Bed bed = new();
        PluginResult result = bed.Plugin.Run(new PluginCall("VERSION") { NetworkNamespace = "dummy", Interface = "dummy", ContainerId = "", Input = "no JSON" }).Require();
        Assert.Equal("1.1.0", result.Member("cniVersion")!.Value.GetString());
        Assert.Equal(
            ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
            result.Member("supportedVersions")!.Value.EnumerateArray().Select(one => one.GetString()!));
    }

    private static PluginResult Collect(Bed bed, params (string Key, string[] Ids)[] lists)
    {
        JsonObject json = bed.Config.ToJson();
        foreach ((string key, string[] ids) in lists)
        {
            json[key] = new JsonArray([.. ids.Select(id => new JsonObject { ["containerID"] = id, ["ifname"] = "eth0" })]);
        }

        return bed.Plugin.Run(new PluginCall("GC") { Input = json.ToJsonString() });
    }

    private static IEnumerable<string> Ids(Bed bed) =>
        bed.Records.Select(path => (string)JsonNode.Parse(File.ReadAllText(path))!["key"]!["containerId"]!).Order(StringComparer.Ordinal);
}
