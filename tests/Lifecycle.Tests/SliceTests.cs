using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>Who gets which ephemeral ports, and when they come back.</summary>
public sealed class SliceTests
{
    [Fact]
    public void Slices_are_aligned_powers_of_two_of_the_size_asked_for_and_never_overlap()
    {
        using Bed bed = new();
        int[] sizes = [16, 1024, 64, 4096, 256, 16];
        List<(int Begin, int End)> slices = [];
        foreach ((int size, int index) in sizes.Select((size, index) => (size, index)))
        {
            Namespace container = bed.Container();
            bed.Plugin.Add(container, $"c{index}", arguments: $"EPHEMERAL_PORTS={size}").Require();
            (int begin, int end) = bed.Slice($"c{index}");
            Assert.Equal(size, end - begin + 1);
            Assert.Equal(0, begin % size);
            Assert.InRange(begin, 16384, 24575);
            Assert.Equal($"{begin}\t{end}", container.Sysctl("net/ipv4/ip_local_port_range"));
            slices.Add((begin, end));
        }

        (int Begin, int End)[] ordered = [.. slices.Order()];
        Assert.All(ordered.Zip(ordered.Skip(1)), pair => Assert.True(pair.First.End < pair.Second.Begin, pair.ToString()));
    }

    [Theory]
    [InlineData("48")]
    [InlineData("8")]
    [InlineData("0")]
    [InlineData("-16")]
    [InlineData("many")]
    [InlineData("65536")]
    public void A_size_that_cannot_be_is_refused_with_its_value(string size)
    {
        using Bed bed = new();
        Bed.Fails(bed.Plugin.Add(bed.Container(), "c1", arguments: $"EPHEMERAL_PORTS={size}"), 7, "EPHEMERAL_PORTS", size);
        bed.AssertClean();
    }

    [Fact]
    public void An_exhausted_pool_says_so_changes_nothing_and_recovers_with_a_DEL()
    {
        using Bed bed = new(config => config with { EphemeralPorts = "16384-18431" });
        Namespace first = bed.Added("c1");
        bed.Added("c2");
        Namespace third = bed.Container();
        KernelState host = Bed.Settled(bed.Host);
        KernelState inside = Bed.Settled(third);
        Bed.Fails(bed.Plugin.Add(third, "c3"), 100, "ephemeralPorts", "16384-18431", "1024");
        Bed.Unchanged(host, bed.Host);
        Bed.Unchanged(inside, third);
        Assert.Equal(2, bed.Records.Length);
        bed.Plugin.Status().Require();
        bed.Plugin.Del(first, "c1").Require();
        bed.Plugin.Add(third, "c3").Require();
        Assert.Equal((16384, 17407), bed.Slice("c3"));
    }

    [Fact]
    public void A_freed_slice_is_not_used_again_while_another_is_free()
    {
        using Bed bed = new(config => config with { EphemeralPorts = "16384-19455" });
        List<int> begins = [];
        for (int round = 0; round < 4; round++)
        {
            Namespace container = bed.Container();
            bed.Plugin.Add(container, $"c{round}").Require();
            begins.Add(bed.Slice($"c{round}").Begin);
            bed.Plugin.Del(container, $"c{round}").Require();
        }

        Assert.Equal([16384, 17408, 18432, 16384], begins);
    }

    [Fact]
    public void A_slice_in_which_a_host_process_listens_is_not_handed_out()
    {
        using Bed bed = new(config => config with { EphemeralPorts = "16384-18431" });
        using (EchoServer.Start(bed.Host, Transport.Tcp, IPAddress.Any, 16390))
        {
            bed.Added("c1");
            Assert.Equal(17408, bed.Slice("c1").Begin);
            Bed.Fails(bed.Plugin.Add(bed.Container(), "c2"), 100);
        }

        bed.Added("c3");
        Assert.Equal(16384, bed.Slice("c3").Begin);
    }

    [Fact]
    public async Task A_dead_attachment_is_reclaimed_only_when_an_ADD_would_otherwise_fail()
    {
        using Bed bed = new(config => config with { EphemeralPorts = "16384-18431" });
        Kill(bed, bed.Added("dead"), "dead");
        bed.Added("c2");
        Assert.Equal(17408, bed.Slice("c2").Begin);
        Assert.Equal(2, bed.Records.Length);
        Namespace third = bed.Added("c3", 31005);
        Assert.Equal(16384, bed.Slice("c3").Begin);
        Assert.Equal(2, bed.Records.Length);
        await bed.AssertReachableAsync(third, 31005);
        await bed.AssertReachesOutAsync(third, "c3");
        bed.Plugin.Check(third, "c3").Require();
    }

    [Fact]
    public async Task The_fixed_port_of_a_dead_attachment_is_reclaimed_when_another_asks_for_it()
    {
        using Bed bed = new();
        Kill(bed, bed.Added("dead", 31005), "dead");
        Namespace second = bed.Added("c2", 31006);
        Assert.Equal(2, bed.Records.Length);
        Namespace third = bed.Added("c3", 31005);
        Assert.Equal(2, bed.Records.Length);
        await bed.AssertReachableAsync(third, 31005);
        bed.Plugin.Del(second, "c2").Require();
        bed.Plugin.Del(third, "c3").Require();
        bed.AssertClean();
    }

    [Fact]
    public async Task A_host_whose_only_container_died_is_set_up_anew_by_the_ADD_that_clears_it_away()
    {
        using Bed bed = new();
        Kill(bed, bed.Added("dead", 31005), "dead");
        Namespace next = bed.Added("next", 31005);
        bed.Plugin.Check(next, "next").Require();

        // From the host by way of its loopback, whose MAC has to be the master's again.
        using (EchoServer server = EchoServer.Start(next, Transport.Tcp, IPAddress.Any, 31005))
        {
            ProbeResult result = await Probe.RunAsync(bed.Host, Transport.Tcp, new IPEndPoint(bed.Net.HostAddress, 31005));
            Assert.True(result.Ok, result.ToString());
        }

        bed.Plugin.Del(next, "next").Require();
        bed.AssertClean();
    }

    [Fact]
    public void Two_networks_of_one_master_share_one_port_space()
    {
        using Bed bed = new();
        NetworkConfig other = bed.Config with { Name = "other" };
        Namespace first = bed.Added("c1", 31005);
        Namespace second = bed.Container();
        Bed.Fails(bed.Plugin.Add(second, "c1", config: other.WithPorts(31005)), 101, "31005", "c1", "testnet");
        bed.Plugin.Add(second, "x", config: other).Require();
        Assert.NotEqual(bed.Slice("c1"), bed.Slice("x"));
        bed.Plugin.Check(first, "c1").Require();
        bed.Plugin.Check(second, "x", config: other).Require();
        bed.Plugin.Del(first, "c1").Require();
        bed.Plugin.Check(second, "x", config: other).Require();
        bed.Plugin.Del(second, "x", config: other).Require();
        bed.AssertClean();
    }

    [Fact]
    public async Task After_a_reboot_the_records_of_the_last_boot_own_nothing()
    {
        using Bed bed = new(config => config with { EphemeralPorts = "16384-17407" });
        Namespace old = bed.Added("c1", 31005);

        // What a reboot leaves: the files, and a host as it was at first.
        bed.EditRecord("c1", record => record["madeOn"]!["bootId"] = "00000000-0000-4000-8000-000000000000");
        old.Ip("link del eth0");
        bed.Host.TcBatch("qdisc del dev eth0 clsact", "qdisc del dev lo clsact");
        bed.Host.Ip("link set lo address 02:00:00:00:00:0a");
        bed.Host.Sysctls(("net/ipv4/conf/lo/accept_local", "0"), ("net/ipv4/conf/lo/route_localnet", "0"));
        Bed.Unchanged(bed.Before, bed.Host);

        Namespace container = bed.Added("c2", 31005);
        Assert.Equal(16384, bed.Slice("c2").Begin);
        await bed.AssertReachableAsync(container, 31005);
        bed.Plugin.Check(container, "c2").Require();
        bed.Plugin.Del(null, "c1").Require();
        await bed.AssertReachableAsync(container, 31005);
        bed.Plugin.Del(container, "c2").Require();
        bed.AssertClean();
    }

    [Fact]
    public void A_reservation_of_a_dead_process_is_reclaimed_and_one_of_a_living_process_respected()
    {
        using Bed bed = new(config => config with { EphemeralPorts = "16384-17407" });
        Namespace first = bed.Added("c1");
        string path = bed.RecordPath("c1");
        JsonObject record = bed.Record("c1");
        bed.Plugin.Del(first, "c1").Require();
        record["state"] = "creating";
        record["process"]!["pid"] = Environment.ProcessId;
        record["process"]!["startTime"] = StartTime(Environment.ProcessId);
        File.WriteAllText(path, record.ToJsonString());
        Bed.Fails(bed.Plugin.Add(bed.Container(), "c2"), 100);
        Bed.Fails(bed.Plugin.Add(first, "c1"), 102, "creating");

        using Process gone = Process.Start("true");
        gone.WaitForExit();
        record["process"]!["pid"] = gone.Id;
        File.WriteAllText(path, record.ToJsonString());
        Namespace second = bed.Added("c2");
        Assert.Single(bed.Records);
        bed.Plugin.Del(second, "c2").Require();
        bed.AssertClean();
    }

    /// <summary>Ends the namespace as a crashed runtime leaves it: no DEL, and the kernel takes the veth away.</summary>
    internal static void Kill(Bed bed, Namespace container, string id)
    {
        string link = bed.HostInterface(id);
        container.Dispose();
        Wait.Until(() => !bed.Host.Ip("-o link show").Contains(link, StringComparison.Ordinal), $"{link} to go with its namespace");
    }

    internal static ulong StartTime(int pid)
    {
        string stat = File.ReadAllText($"/proc/{pid}/stat");
        return ulong.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19]);
    }
}
