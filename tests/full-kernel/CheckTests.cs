using System.Text.RegularExpressions;

namespace CniIsolator.FullKernel.Tests;

/// <summary>CHECK notices what has become of the queues, and DEL copes with it.</summary>
public sealed partial class CheckTests
{
    [Fact]
    public void Another_queue_behind_the_limit_and_other_settings_of_ours_are_differences()
    {
        using Site site = new(config => config.With("egressRateLimitPerContainer", 1_000_000).With("ingressRateLimitPerContainer", 500_000));
        Container container = site.Add(31000);

        // The container's root may do that to its own interface.
        container.Place.Tc("qdisc replace dev eth0 parent 1:1 handle 3: pfifo");
        AssertDiffers(site, container, "queue of eth0 in the container: expected fq_codel, found pfifo");
        container.Place.TcBatch("qdisc del dev eth0 parent 1:1 handle 3:", "qdisc add dev eth0 parent 1:1 handle 2: fq_codel target 50ms");
        AssertDiffers(site, container, "target of queue of eth0 in the container: expected 5000 us, found 49999 us");
        container.Place.Tc("qdisc replace dev eth0 parent 1:1 handle 2: fq_codel target 5ms");
        site.Check(container);
        site.Host.Tc($"qdisc replace dev {container.HostEnd} parent 1:1 handle 2: fq_codel interval 200ms");
        AssertDiffers(site, container, $"interval of queue of {container.HostEnd}: expected 100000 us, found 199999 us");
        container.Place.Tc("qdisc del dev eth0 root");
        site.Delete(container);
        site.AssertClean();
    }

    [Fact]
    public void What_is_missing_of_the_flows_is_a_difference_and_somebody_s_qdisc_in_their_place_survives()
    {
        using Site site = new(UniqueFlowTests.Unique);
        Container container = site.Add(31000);
        string entry = FlowEntry().Match(site.Host.Tc($"filter show dev {site.Master} parent {TrafficControl.Flows}")).Groups["handle"].Value;
        site.Host.Tc($"filter del dev {site.Master} parent {TrafficControl.Flows} prio 28782 protocol ip handle {entry} u32");
        AssertDiffers(site, container, $"filter {entry} on {site.Master}: expected ", "found none");

        site.Host.Tc($"qdisc del dev {site.Master} root");
        AssertDiffers(site, container, $"qdisc of {site.Master} at root: expected fq_codel 706d:, found none");

        site.Host.Tc($"qdisc add dev {site.Master} root handle 5: fq_codel limit 5000");
        AssertDiffers(site, container, $"qdisc of {site.Master} at root: expected fq_codel 706d:, found fq_codel 5:");

        site.Delete(container);
        Qdisc left = Assert.Single(TrafficControl.Qdiscs(site.Host, site.Master));
        Assert.Equal(("fq_codel 5: root", "5000"), (left.ToString(), left.Option("limit")));
        site.Host.Tc($"qdisc del dev {site.Master} root");
        site.AssertClean();
    }

    private static void AssertDiffers(Site site, Container container, params string[] parts)
    {
        PluginResult result = site.TryCheck(container);
        Assert.True(result.ErrorCode == 106, $"expected code 106: {result}");
        foreach (string part in parts)
        {
            Assert.Contains(part, result.ErrorDetails, StringComparison.Ordinal);
        }
    }

    [GeneratedRegex(@"fh (?<handle>\S+) .*flowid 706d:3 ")]
    private static partial Regex FlowEntry();
}
