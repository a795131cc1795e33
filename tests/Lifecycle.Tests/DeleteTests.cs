using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>DEL takes away what is there and passes over what is not.</summary>
public sealed class DeleteTests
{
    [Fact]
    public async Task Without_a_namespace_while_it_lives_the_container_is_taken_off_the_host_and_restored()
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        Quiet(bed.Plugin.Del(null, "c1"));
        bed.AssertClean();
        Bed.AssertLoopbackRestored(container);
        bed.Plugin.Add(container, "c2", config: bed.Config.WithPorts(31005)).Require();
        await bed.AssertReachableAsync(container, 31005);
    }

    [Fact]
    public async Task Without_any_state_veth_and_filters_are_found_by_the_name()
    {
        using Bed bed = new();
        Namespace neighbour = bed.Added("c1", 31005);
        KernelState one = Bed.Settled(bed.Host);
        Namespace container = bed.Added("c2", 31006);
        File.Delete(bed.RecordPath("c2"));
        Quiet(bed.Plugin.Del(container, "c2"));
        Bed.Unchanged(one, bed.Host);
        Bed.AssertLoopbackRestored(container);
        await bed.AssertReachableAsync(neighbour, 31005);
        bed.Plugin.Del(neighbour, "c1").Require();
        bed.AssertClean();
    }

    [Fact]
    public void With_the_store_gone_altogether_the_veth_still_goes()
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        string veth = bed.HostInterface("c1");
        Directory.Delete(bed.Store, recursive: true);
        Quiet(bed.Plugin.Del(container, "c1"));
        Assert.DoesNotContain(veth, bed.Host.Ip("-o link show"), StringComparison.Ordinal);
        Assert.DoesNotContain("mirred", bed.Host.Tc("filter show dev eth0 ingress") + bed.Host.Tc("filter show dev lo ingress"), StringComparison.Ordinal);
        bed.Plugin.Add(container, "c1").Require();
    }

    [Fact]
    public void Twice_and_for_what_was_never_added_is_a_quiet_success_and_changes_nothing()
    {
        using Bed bed = new();
        Namespace container = bed.Container();
        KernelState inside = Bed.Settled(container);
        Quiet(bed.Plugin.Del(container, "never"));
        Assert.False(Directory.Exists(bed.Store));
        Bed.Unchanged(inside, container);
        Namespace first = bed.Added("c1", 31005);
        KernelState host = Bed.Settled(bed.Host);
        KernelState alive = Bed.Settled(first);
        Quiet(bed.Plugin.Del(container, "never"));
        Quiet(bed.Plugin.Del(first, "never"));
        Quiet(bed.Plugin.Del(first, "c1", interfaceName: "eth1"));
        Quiet(bed.Plugin.Del(first, "c1", config: bed.Config with { Name = "other" }));
        Bed.Unchanged(host, bed.Host);
        Bed.Unchanged(alive, first);
        Assert.Single(bed.Records);
        Quiet(bed.Plugin.Del(first, "c1"));
        Quiet(bed.Plugin.Del(first, "c1"));
        Quiet(bed.Plugin.Del(null, "c1"));
        bed.AssertClean();
    }

    [Theory]
    [InlineData("gone")]
    [InlineData("missing")]
    [InlineData("file")]
    [InlineData("fifo")]
    [InlineData("directory")]
    [InlineData("other kind")]
    [InlineData("another container")]
    public void With_a_path_that_leads_nowhere_everything_on_the_host_goes(string kind)
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        Namespace other = bed.Container();
        KernelState untouched = Bed.Settled(other);
        string place = Path.Combine(bed.Net.StateDirectory, "place");
        string path = kind switch
        {
            "gone" => container.Path,
            "missing" => place,
            "file" => place,
            "fifo" => place,
            "directory" => bed.Net.StateDirectory,
            "other kind" => "/proc/self/ns/mnt",
            _ => other.Path,
        };
        if (kind == "gone")
        {
            SliceTests.Kill(bed, container, "c1");
        }
        else if (kind == "file")
        {
            File.WriteAllText(place, "");
        }
        else if (kind == "fifo")
        {
            bed.Host.Execute("mkfifo", place).Require();
        }

        Quiet(bed.Plugin.Run(bed.Plugin.Attachment("DEL", path, "c1")));
        bed.AssertClean();
        Bed.Unchanged(untouched, other);
        if (kind != "gone")
        {
            Bed.AssertLoopbackRestored(container);
        }
    }

    [Theory]
    [InlineData("ephemeralPorts", "\"garbage\"")]
    [InlineData("ephemeralPorts", null)]
    [InlineData("ports", "12")]
    [InlineData("master", "\"gone0\"")]
    [InlineData("master", "{}")]
    [InlineData("ephemeralPortsPerContainer", "3")]
    [InlineData("hostLoopback", "\"perhaps\"")]
    [InlineData("logLevel", "\"loud\"")]
    [InlineData("ipam", """{"type":"host-local"}""")]
    [InlineData("dns", "7")]
    [InlineData("runtimeConfig", """{"portMappings":"x"}""")]
    [InlineData("prevResult", """{"cniVersion":"1.1.0","interfaces":7}""")]
    public void With_a_key_that_was_broken_since_everything_goes(string key, string? value)
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        Quiet(bed.Plugin.Run(bed.Plugin.Attachment(
            "DEL", container.Path, "c1", config: bed.Config.With(key, value is null ? null : JsonNode.Parse(value)))));
        bed.AssertClean();
        Bed.AssertLoopbackRestored(container);
    }

    [Fact]
    public void With_the_master_gone_the_rest_still_goes()
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        string veth = bed.HostInterface("c1");
        bed.Host.Ip("link del eth0");
        Quiet(bed.Plugin.Del(container, "c1"));
        Assert.Empty(bed.Records);
        Assert.DoesNotContain(veth, bed.Host.Ip("-o link show"), StringComparison.Ordinal);
        Assert.DoesNotContain("clsact", bed.Host.Tc("qdisc show dev lo"), StringComparison.Ordinal);
        Bed.Says(bed.Host.Ip("link show dev lo"), "02:00:00:00:00:0a");
    }

    [Theory]
    [InlineData("deleting")]
    [InlineData("creating")]
    public void A_record_that_an_interrupted_command_left_is_finished(string state)
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        bed.EditRecord("c1", record =>
        {
            record["state"] = state;
            record["process"]!["pid"] = 0;
        });
        Quiet(bed.Plugin.Del(container, "c1"));
        bed.AssertClean();
        Bed.AssertLoopbackRestored(container);
    }

    [Fact]
    public void Errors_of_DEL_have_none_of_the_words_that_make_a_runtime_forget_the_container()
    {
        using Bed bed = new();
        bed.Added("c1");
        string store = bed.Store;
        File.Delete(Path.Combine(store, "lock"));
        Directory.CreateDirectory(Path.Combine(store, "lock"));
        PluginResult result = bed.Plugin.Del(null, "c1");
        Bed.Fails(result, 105);
        Assert.DoesNotContain("not found", result.Output, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("no such file", result.Output, StringComparison.OrdinalIgnoreCase);
        Directory.Delete(Path.Combine(store, "lock"));
        Quiet(bed.Plugin.Del(null, "c1"));
        bed.AssertClean();
    }

    private static void Quiet(PluginResult result)
    {
        Assert.True(result.Succeeded, result.ToString());
        Assert.Equal("", result.Output);
    }
}
