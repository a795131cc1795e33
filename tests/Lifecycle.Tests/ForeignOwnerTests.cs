using System.Net;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>Somebody else's qdiscs and filters on the same devices are shared, and stay as they are.</summary>
public sealed class ForeignOwnerTests
{
    [Theory]
    [InlineData("clsact")]
    [InlineData("ingress")]
    public async Task An_existing_qdisc_with_filters_is_shared_and_stays_with_the_last_DEL(string qdisc)
    {
        using Bed bed = new();
        BlackHoles(bed, qdisc);
        KernelState before = Bed.Settled(bed.Host);
        Namespace first = bed.Added("c1", 31005);
        Namespace second = bed.Added("c2", 31006);
        bed.Plugin.Check(first, "c1").Require();
        await bed.AssertReachableAsync(first, 31005);
        await bed.AssertReachesOutAsync(second, "c2");
        await AssertHolesAsync(bed);
        bed.Plugin.Del(first, "c1").Require();
        await bed.AssertReachableAsync(second, 31006);
        bed.Plugin.Del(second, "c2").Require();
        Bed.Unchanged(before, bed.Host);
        await AssertHolesAsync(bed);

        // The tables were taken away for good, so all of it goes once more.
        bed.Plugin.Add(first, "c1", config: bed.Config.WithPorts(31005)).Require();
        await bed.AssertReachableAsync(first, 31005);
        bed.Plugin.Del(first, "c1").Require();
        Bed.Unchanged(before, bed.Host);
        Assert.Empty(bed.Records);
    }

    /// <summary>The kernel calls a table busy that is linked to. Ours are for a moment, somebody else's link makes it one for ever.</summary>
    [Fact]
    public void A_filter_of_somebody_s_that_leads_to_a_table_of_ours_keeps_that_one_alone()
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        bed.Host.Tc("filter add dev eth0 ingress protocol ip prio 10 u32 match ip protocol 253 0xff link 600:");
        bed.Plugin.Del(container, "c1").Require();
        string left = bed.Host.Tc("filter show dev eth0 ingress");
        Bed.Says(left, "link 600:");
        string[] tables = [.. left.Split('\n').Where(line => line.Contains("ht divisor", StringComparison.Ordinal) && line.Contains("fh 6", StringComparison.Ordinal))];
        Assert.All(tables, line => Assert.Contains("fh 600:", line, StringComparison.Ordinal));
        bed.Host.Tc("filter del dev eth0 ingress protocol ip prio 10");
        Assert.Equal("", bed.Host.Tc("filter show dev eth0 ingress"));
    }

    [Theory]
    [InlineData("ingress protocol ip prio 10")]
    [InlineData("egress protocol ip prio 10")]
    public async Task A_filter_that_somebody_adds_to_our_qdisc_keeps_the_qdisc(string place)
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        foreach (string device in new[] { "eth0", "lo" })
        {
            bed.Host.Tc($"filter add dev {device} {place} u32 match ip protocol 253 0xff action mirred egress mirror dev lo");
        }

        bed.Plugin.Check(container, "c1").Require();
        bed.Plugin.Del(container, "c1").Require();
        foreach (string device in new[] { "eth0", "lo" })
        {
            Bed.Says(bed.Host.Tc($"qdisc show dev {device}"), "clsact");
            string left = bed.Host.Tc($"filter show dev {device} {place.Split(' ')[0]}");
            Bed.Says(left, "00fd0000/00ff0000");
            Assert.Equal(1, left.Split("mirred").Length - 1);
            bed.Host.Tc($"filter del dev {device} {place}");
            Assert.Equal("", bed.Host.Tc($"filter show dev {device} ingress") + bed.Host.Tc($"filter show dev {device} egress"));
        }

        Assert.Empty(bed.Records);
        bed.Plugin.Add(container, "c2", config: bed.Config.WithPorts(31005)).Require();
        await bed.AssertReachableAsync(container, 31005);
    }

    [Fact]
    public void A_shared_filter_block_on_the_master_is_named_and_left_alone()
    {
        using Bed bed = new();
        bed.Host.Tc("qdisc add dev eth0 ingress_block 5 clsact");
        Namespace container = bed.Container();
        KernelState host = Bed.Settled(bed.Host);
        KernelState inside = Bed.Settled(container);
        Bed.Fails(bed.Plugin.Add(container, "c1"), 7, "eth0", "block 5");
        Bed.Unchanged(host, bed.Host);
        Bed.Unchanged(inside, container);
        Assert.Empty(bed.Records);
        bed.Host.Tc("qdisc del dev eth0 clsact");
        bed.Plugin.Add(container, "c1").Require();
        bed.Plugin.Del(container, "c1").Require();
        bed.AssertClean();
    }

    [Theory]
    [InlineData("ingress")]
    [InlineData("egress")]
    public void The_container_s_own_filters_on_its_loopback_stay(string hook)
    {
        using Bed bed = new();
        Namespace container = bed.Container();
        container.Ip("link set lo up");
        container.TcBatch("qdisc add dev lo clsact", $"filter add dev lo {hook} protocol ip prio 10 u32 match ip protocol 253 0xff action mirred egress mirror dev lo");
        string own = container.Tc($"filter show dev lo {hook}");
        bed.Plugin.Add(container, "c1").Require();
        bed.Plugin.Check(container, "c1").Require();
        bed.Plugin.Del(container, "c1").Require();
        Assert.Equal(own, container.Tc($"filter show dev lo {hook}"));
        bed.AssertClean();
    }

    /// <summary>Port 9999 of the shared address and of 127.0.0.1 leads nowhere, by a table with a small number.</summary>
    private static void BlackHoles(Bed bed, string qdisc)
    {
        bed.Host.IpBatch("link add hole0 type veth peer name hole1", "link set hole0 up", "link set hole1 up");
        foreach (string device in new[] { "eth0", "lo" })
        {
            bed.Host.TcBatch(
                $"qdisc add dev {device} {qdisc}",
                $"filter add dev {device} ingress protocol ip prio 10 handle 1: u32 divisor 1",
                $"filter add dev {device} ingress protocol ip prio 10 handle 1:0:1 u32 ht 1: match u16 9999 0xffff at 22 action mirred egress redirect dev hole0",
                $"filter add dev {device} ingress protocol ip prio 10 u32 link 1: match ip protocol 6 0xff");
        }
    }

    private static async Task AssertHolesAsync(Bed bed)
    {
        foreach ((Namespace from, IPAddress to) in new[] { (bed.Net.Out, bed.Net.HostAddress), (bed.Host, IPAddress.Loopback) })
        {
            ProbeResult hole = await Probe.RunAsync(from, Transport.Tcp, new IPEndPoint(to, 9999), ProbeOptions.Hopeless);
            Assert.True(hole.Outcome == ProbeOutcome.Timeout, hole.ToString());
            ProbeResult beside = await Probe.RunAsync(from, Transport.Tcp, new IPEndPoint(to, 9998));
            Assert.True(beside.Outcome == ProbeOutcome.Refused, beside.ToString());
        }
    }
}
