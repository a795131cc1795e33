namespace CniIsolator.FullKernel.Tests;

/// <summary>Other limits and ports for a container that runs, on a kernel whose queues can be looked into.</summary>
public sealed class UpdateTests
{
    private const long Fast = 1_000_000;

    // Where 1514 bytes take 15 ms, three times codel's usual target.
    private const long Slow = 100_000;

    [Fact]
    public async Task Another_limit_keeps_class_and_queue_and_moves_codel_s_target_where_it_must()
    {
        const int Size = 50_000;
        using Site site = new(config => config.With("egressRateLimitPerContainer", Fast).With("ingressRateLimitPerContainer", Fast));
        Container container = site.Add(31000);
        await site.AssertReachesOutAsync(container.Place, Transport.Tcp, ProbeOptions.Small with { StreamBytes = Size });
        (Namespace, string)[] sides = [(container.Place, Site.ContainerEnd), (site.Host, container.HostEnd)];
        long[] bytes = [.. sides.Select(side => Passed(side))];
        Assert.All(bytes, count => Assert.InRange(count, Size, long.MaxValue));
        foreach ((long rate, int target) in new[] { (Slow, 22_710), (Fast, 5_000) })
        {
            site.Plugin.CommandLine("update", container.Id, "--egress-rate", $"{rate}", "--ingress-rate", $"{rate}").Require();
            foreach ((Namespace place, string device) in sides)
            {
                HtbClass only = Assert.Single(TrafficControl.HtbClasses(place, device));
                Assert.Equal(("2:", rate, rate), (only.Leaf, only.Rate, only.Ceil));
                Qdisc leaf = TrafficControl.Qdiscs(place, device).Single(one => one.Kind == "fq_codel");

                // Read back in the kernel's units, 1.024 µs; the interval grows with the target.
                Assert.InRange(int.Parse(leaf.Option("target")), target - 2, target);
                Assert.InRange(int.Parse(leaf.Option("interval")), 95_000 + target - 2, 95_000 + target);
            }

            // None has begun to count anew: what waited would have been lost with the queue.
            long[] after = [.. sides.Select(side => Passed(side))];
            Assert.All(bytes.Zip(after), pair => Assert.True(pair.Second >= pair.First, $"{pair.First} bytes had passed, {pair.Second} now"));
            site.Check(container);
        }

        Assert.DoesNotContain(" WRN ", site.Log, StringComparison.Ordinal);
        site.Delete(container);
        site.AssertClean();
    }

    [Fact]
    public async Task Other_ports_take_their_container_s_flow_and_those_given_up_do_not()
    {
        const int Before = 31000;
        const int After = 31010;
        using Site site = new(UniqueFlowTests.Unique);
        Container container = site.Add(Before);
        Container neighbour = site.Add(31001);
        site.Plugin.CommandLine("update", container.Id, "--ports", $"{After}-{After + 1}").Require();
        Container changed = container with { Port = After };
        await UniqueFlowTests.AssertTakesAsync(
            site, UniqueFlowTests.FirstFlow, () => site.AssertReachableAsync(changed, Transport.Udp, UniqueFlowTests.Forty));
        await UniqueFlowTests.AssertTakesAsync(
            site, UniqueFlowTests.FirstFlow + 1, () => site.AssertReachableAsync(neighbour, Transport.Udp, UniqueFlowTests.Forty));

        // What the container has given up is any process's of the host.
        await UniqueFlowTests.AssertTakesAsync(
            site,
            UniqueFlowTests.HostFlow,
            () => site.AssertReachesOutAsync(site.Host, Transport.Udp, UniqueFlowTests.Forty with { SourcePort = Before }));
        site.Check(container);
        site.Delete(container);
        Assert.DoesNotContain(UniqueFlowTests.FirstFlow, TrafficControl.FlowMatches(site.Host, site.Master).Keys);
        site.Delete(neighbour);
        site.AssertClean();
    }

    /// <summary>The least of what class and queue have counted.</summary>
    private static long Passed((Namespace Place, string Device) side) => Math.Min(
        Assert.Single(TrafficControl.HtbClasses(side.Place, side.Device)).Bytes,
        TrafficControl.Qdiscs(side.Place, side.Device).Single(one => one.Kind == "fq_codel").Counter("bytes"));
}
