namespace CniIsolator.FullKernel.Tests;

/// <summary>Bandwidth limits with the leaf that most kernels have and the machine's own may lack.</summary>
public sealed class ShapingTests
{
    private const long Egress = 1_000_000;
    private const long Ingress = 500_000;

    [Fact]
    public void Both_directions_get_htb_with_fq_codel_below()
    {
        using Site site = new(Limited);
        Container container = site.Add(31000);
        AssertShape(container.Place, Site.ContainerEnd, Egress, Egress);
        AssertShape(site.Host, container.HostEnd, Ingress, Ingress);
        site.Check(container);
        AssertNoFallback(site);
        site.Delete(container);
        site.AssertClean();
    }

    [Fact]
    public void A_ceiling_above_the_rate_is_set()
    {
        using Site site = new(config => Limited(config).With("egressCeilLimit", 3 * Egress).With("ingressCeilLimit", 4 * Ingress));
        Container container = site.Add(31000);
        AssertShape(container.Place, Site.ContainerEnd, Egress, 3 * Egress);
        AssertShape(site.Host, container.HostEnd, Ingress, 4 * Ingress);
        site.Check(container);
        site.Delete(container);
        site.AssertClean();
    }

    [Fact]
    public void A_container_without_limits_has_neither()
    {
        using Site site = new();
        Container container = site.Add(31000);
        Assert.Empty(TrafficControl.Qdiscs(container.Place, Site.ContainerEnd));
        Assert.Empty(TrafficControl.Qdiscs(site.Host, container.HostEnd));
        site.Delete(container);
        site.AssertClean();
    }

    [Fact]
    public async Task Traffic_in_both_directions_passes_class_and_leaf_and_is_held_back()
    {
        const int Size = 400_000;
        using Site site = new(Limited);
        Container container = site.Add(31000);
        await site.AssertReachesOutAsync(container.Place, Transport.Tcp, ProbeOptions.Bulk with { StreamBytes = Size });
        foreach ((Namespace place, string device) in new[] { (container.Place, Site.ContainerEnd), (site.Host, container.HostEnd) })
        {
            // The probe's bytes come back, so that each direction carries all of them, as fast as TCP can: more than either limit.
            Assert.InRange(Assert.Single(TrafficControl.HtbClasses(place, device)).Bytes, Size, long.MaxValue);
            IReadOnlyList<Qdisc> qdiscs = TrafficControl.Qdiscs(place, device);
            Qdisc root = qdiscs.Single(one => one.Kind == "htb");
            Qdisc leaf = qdiscs.Single(one => one.Kind == "fq_codel");
            Assert.True(root.Counter("overlimits") > 0, $"{place} {device} was never held back: {root.Json}");
            Assert.InRange(leaf.Counter("packets"), 10, long.MaxValue);
            Assert.InRange(leaf.Counter("bytes"), Size, long.MaxValue);

            // What passes by the class is counted here.
            Assert.Equal("0", root.Option("direct_packets_stat"));
        }

        site.Check(container);
        AssertNoFallback(site);
        site.Delete(container);
        site.AssertClean();
    }

    /// <summary>The tree of one interface.</summary>
    internal static void AssertShape(Namespace place, string device, long rate, long ceil)
    {
        IReadOnlyList<Qdisc> qdiscs = TrafficControl.Qdiscs(place, device);
        Assert.Equal(["fq_codel 2: 1:1", "htb 1: root"], qdiscs.Select(one => one.ToString()).Order(StringComparer.Ordinal));
        Qdisc root = qdiscs.Single(one => one.Kind == "htb");
        Assert.Equal("0x1", root.Option("default"));
        Assert.Equal("0", root.Option("direct_qlen"));
        HtbClass only = Assert.Single(TrafficControl.HtbClasses(place, device));
        Assert.Equal(new HtbClass("1:1", "root", "2:", rate, ceil, only.Bytes), only);
        Qdisc leaf = qdiscs.Single(one => one.Kind == "fq_codel");
        Assert.Equal(("10240", "1024", "True"), (leaf.Option("limit"), leaf.Option("flows"), leaf.Option("ecn")));

        // The kernel keeps times in units of 1.024 microseconds, so that 5 ms come back as 4999 µs.
        Assert.InRange(int.Parse(leaf.Option("target")), 4990, 5000);
        Assert.InRange(int.Parse(leaf.Option("interval")), 99_990, 100_000);
    }

    /// <summary>Nothing was worth a warning.</summary>
    private static void AssertNoFallback(Site site) => Assert.DoesNotContain(" WRN ", site.Log, StringComparison.Ordinal);

    private static NetworkConfig Limited(NetworkConfig config) =>
        config.With("egressRateLimitPerContainer", Egress).With("ingressRateLimitPerContainer", Ingress);
}
