using CniIsolator.Exporter.Sampling;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Exporter.Tests;

public sealed class SamplingTests
{
    [Fact]
    public void A_container_without_its_link_is_absent()
    {
        var links = new Dictionary<int, LinkCounters> { [0] = default, [101] = Samples.Counters, [999] = default };
        var joined = Sampler.Join([Samples.Attachment("a"), Samples.Attachment("gone", 2), Samples.Attachment("early", 3) with { IfIndex = 0 }], links);
        Assert.Equal("a", Assert.Single(joined).Attachment.ContainerId);
    }

    [Fact]
    public void Pools_that_networks_share_count_once()
    {
        var first = Samples.Attachment();
        var same = Samples.Attachment("b", 2) with { Network = "other" };
        var wider = Samples.Attachment("c", 3) with { NetworkPool = "32768-57343,60000" };
        Assert.Equal(new PoolUse(24577, 3072), Sampler.Use([first, same, wider]));
        Assert.Equal(new PoolUse(null, 1024), Sampler.Use([first with { NetworkPool = null }]));
        Assert.Equal(new PoolUse(null, 0), Sampler.Use([]));
    }

    [Fact]
    public async Task Who_asks_meanwhile_shares_the_result()
    {
        using var go = new ManualResetEventSlim();
        var runs = 0;
        var flight = new SingleFlight<int>(() =>
        {
            var run = Interlocked.Increment(ref runs);
            go.Wait();
            return run;
        });
        var asked = Enumerable.Range(0, 50).Select(_ => flight.RunAsync()).ToList();
        go.Set();
        Assert.All(await Task.WhenAll(asked), run => Assert.Equal(1, run));
        Assert.Equal(2, await flight.RunAsync());
    }

    [Fact]
    public async Task A_failure_is_not_kept()
    {
        var fail = true;
        var flight = new SingleFlight<int>(() => fail ? throw new IOException() : 7);
        await Assert.ThrowsAsync<IOException>(flight.RunAsync);
        fail = false;
        Assert.Equal(7, await flight.RunAsync());
    }
}
