namespace CniIsolator.FullKernel.Tests;

/// <summary>What becomes of containers' flows when somebody takes away their qdisc, their filters or their records.</summary>
public sealed class FlowRepairTests
{
    [Theory]
    [InlineData("root", "qdisc del dev eth0 root")]
    [InlineData("1:10", "qdisc del dev eth0 parent 1:10")]
    [InlineData("root", "filter del dev eth0 parent 706d: protocol ip prio 28782")]
    [InlineData("root", "filter del dev eth0 parent 706d:")]
    public async Task Repair_puts_the_qdisc_and_its_filters_back(string parent, string damage)
    {
        using Site site = new(
            config => UniqueFlowTests.Unique(config).With("egressFlowClassifierParent", parent),
            host =>
            {
                if (parent != "root")
                {
                    host.TcBatch("qdisc add dev eth0 root handle 1: htb default 10", "class add dev eth0 parent 1: classid 1:10 htb rate 1gbit");
                }
            });
        Container first = site.Add(31000);
        Container second = site.Add(31001);
        string[] qdiscs = Qdiscs(site);
        int[] flows = Flows(site);
        site.Host.Tc(damage);
        Assert.Equal(106, site.TryCheck(first).ErrorCode);
        CommandResult repaired = site.Plugin.CommandLine("repair", "--all");
        Assert.True(repaired.ExitCode == 0 && repaired.Error.Length == 0, repaired.ToString());
        Assert.Contains("mended       host: ", repaired.Output, StringComparison.Ordinal);
        Assert.Equal(qdiscs, Qdiscs(site));
        Assert.Equal(flows, Flows(site));
        Assert.Contains("nothing to repair", site.Plugin.CommandLine("repair", "--all").Require(), StringComparison.Ordinal);
        site.Check(first);
        site.Check(second);
        await UniqueFlowTests.AssertTakesAsync(site, UniqueFlowTests.FirstFlow, () => site.AssertReachesOutAsync(first.Place, Transport.Udp, UniqueFlowTests.Forty));
        await UniqueFlowTests.AssertTakesAsync(site, UniqueFlowTests.FirstFlow + 1, () => site.AssertReachableAsync(second, Transport.Udp, UniqueFlowTests.Forty));
        site.Delete(first);
        site.Delete(second);
        site.AssertClean();
    }

    [Fact]
    public void Gc_removes_the_filters_of_a_flow_that_no_record_knows()
    {
        using Site site = new(UniqueFlowTests.Unique);
        Container lost = site.Add(31000);
        Container alive = site.Add(31001);
        int[] before = Flows(site);
        End(site, lost);
        string dry = site.Plugin.CommandLine("gc", "--dry-run").Require();
        Assert.Contains("that choose a queue for nobody", dry, StringComparison.Ordinal);
        Assert.Equal(before, Flows(site));
        Assert.Contains("that choose a queue for nobody", site.Plugin.CommandLine("gc").Require(), StringComparison.Ordinal);
        Assert.Equal(before.Where(flow => flow != UniqueFlowTests.FirstFlow), Flows(site));
        Assert.Equal("", site.Plugin.CommandLine("gc").Require());
        site.Check(alive);
        site.Delete(alive);
        site.AssertClean();
    }

    /// <summary>Without records nobody can tell whose of two a flow is: as long as one of them lives, both stay.</summary>
    [Fact]
    public void Gc_leaves_flows_without_a_record_while_an_interface_without_one_lives()
    {
        using Site site = new(UniqueFlowTests.Unique);
        Container lost = site.Add(31000);
        Container living = site.Add(31001);
        Container alive = site.Add(31002);
        int[] before = Flows(site);
        End(site, lost);
        File.Delete(RecordPath(site, living));
        string told = site.Plugin.CommandLine("gc").Require();
        Assert.DoesNotContain("that choose a queue for nobody", told, StringComparison.Ordinal);
        Assert.Equal(before, Flows(site));
        site.Delete(living);
        Assert.Contains("that choose a queue for nobody", site.Plugin.CommandLine("gc").Require(), StringComparison.Ordinal);
        site.Check(alive);
        site.Delete(alive);
        site.AssertClean();
    }

    /// <summary>Its record and its namespace go, and its veth with it; its entries stay.</summary>
    private static void End(Site site, Container container)
    {
        File.Delete(RecordPath(site, container));
        container.Place.Dispose();
        Wait.Until(() => !site.Host.Ip("-o link show").Contains(container.HostEnd, StringComparison.Ordinal), $"{container.HostEnd} to go with its namespace");
    }

    private static string RecordPath(Site site, Container container) => Path.Combine(site.Plugin.Config.StateDirectory!, container.HostEnd + ".json");

    private static string[] Qdiscs(Site site) => [.. TrafficControl.Qdiscs(site.Host, site.Master).Select(one => one.ToString()).Order(StringComparer.Ordinal)];

    private static int[] Flows(Site site) => [.. TrafficControl.FlowMatches(site.Host, site.Master).Keys.Order()];
}
