using CniIsolator.DataPath;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Ipam;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Exporter.Tests;

public sealed class SamplingTests
{
    [Fact]
    public void A_container_without_its_link_is_absent()
    {
        var links = new Dictionary<int, LinkCounters> { [0] = default, [101] = Samples.Counters, [999] = default };
        var early = Samples.Attachment("early", 3);
        early = early with { Numbers = early.Numbers with { HostEnd = 0 } };
        var joined = Sampler.Join([Samples.Attachment("a"), Samples.Attachment("gone", 2), early], links);
        Assert.Equal("a", Assert.Single(joined).Attachment.Key.ContainerId);
    }

    [Fact]
    public void What_the_host_ends_queues_tell()
    {
        var attachment = Samples.Attachment() with
        {
            Limits = new Limits(null, new RateLimit(1, 1, 1)),
            Features = new KernelFeatures { DropsUnmatched = true },
        };
        var limited = new ContainerSample(attachment, default);
        var devices = DeviceQueues.ByDevice(
        [
            new TcStatistic(101, "htb", Shaper.Qdisc, TcHandle.Root, new QueueStatistics(1, 0, 0, 0, 0, 0, 0)),
            new TcStatistic(101, "fq_codel", Shaper.Leaf, Shaper.Class, new QueueStatistics(2, 0, 0, 0, 0, 0, 0)) { FqCodel = new FqCodelStatistics { EcnMarks = 3 } },
            new TcStatistic(101, "clsact", TcHandle.ClsactHandle, TcHandle.ClsactParent, new QueueStatistics(0, 0, 0, 0, 4, 0, 0)),
            new TcStatistic(102, "htb", 0x0020_0000, TcHandle.Root, new QueueStatistics(5, 0, 0, 0, 0, 0, 0)),
        ]);

        var found = With(limited, devices[101]);
        Assert.Equal([("ingress_bw_limit", 1ul, 0u), ("ingress_bloat_reduction", 2ul, 3u)], found.Queues.Select(q => (q.Id, q.Counters.Bytes, q.FqCodel?.EcnMarks ?? 0)));
        Assert.Equal((true, 4ul, 0), (found.IngressInForce, found.ForeignSourcePackets, found.Warnings.Count));

        // Somebody else's qdisc, or none, is no limit; without a filter that drops, nothing is known of drops.
        foreach (var without in new[] { devices[102], null })
        {
            found = With(limited with { Attachment = limited.Attachment with { Features = default } }, without);
            Assert.Equal((false, (ulong?)null, 1), (found.IngressInForce, found.ForeignSourcePackets, found.Warnings.Count));
            Assert.Empty(found.Queues);
        }

        Assert.Null(With(new ContainerSample(Samples.Attachment(), default), devices[101]).IngressInForce);
    }

    private static ContainerSample With(ContainerSample container, DeviceQueues? host)
    {
        var found = container with { Queues = [] };
        Sampler.AddQueues(found, host);
        return found;
    }

    [Fact]
    public void Capacity_counts_what_an_attachment_could_get()
    {
        var small = Network("small", "32768-40959", 1024) with { Ports = "31000-31009,33000" };
        var shared = Network("shared", "32768-57343", 4096);
        var first = Samples.Attachment().Owning(
            Samples.Attachment().Ports.Slice, new(TransportProtocol.Tcp, PortRange.Single(31005)), new(TransportProtocol.Udp, PortRange.Single(31005)));
        var second = Samples.Attachment("b", 2).Of("small");
        second = second with { Ports = second.Ports with { NetworkPool = "1024-2047" } };

        // Slot n has the n-th slice of 1024: 33792 to 35839 are gone, and 36864 is somebody's.
        var capacity = Capacity.Of([small, shared], [first, second], PortSet.FromPorts(80, 36864));
        Assert.Equal((24576 + 1024, 2048), (capacity.EphemeralPorts, capacity.EphemeralPortsInUse));
        Assert.Equal(
            [
                new NetworkCapacity("shared", new SliceCapacity(6, 4, 8192), 4, 0, 0),
                new NetworkCapacity("small", new SliceCapacity(8, 5, 2048), 5, 11, 1),
            ],
            capacity.Networks);
        Assert.Equal(new Capacity(null, 1024, []) with { Networks = [] }, Capacity.Of([], [first with { Ports = first.Ports with { NetworkPool = null } }], PortSet.Empty) with { Networks = [] });
    }

    [Fact]
    public void Slots_are_a_bound_too()
    {
        var own = Enumerable.Range(1, AttachmentSlot.Last).Select(slot => Samples.Attachment($"c{slot}", 1).Owning(PortRange.Parse("1024-1039")) with
        {
            Numbers = new KernelNumbers { HostEnd = 101, ContainerEnd = 2, Slot = slot },
        }).ToList();
        Assert.Equal(0, Assert.Single(Capacity.Of([Network("n", "32768-57343", 1024)], own, PortSet.Empty).Networks).Placeable);
    }

    [Fact]
    public void A_fault_that_goes_on_is_said_once_in_a_while()
    {
        var clock = new Clock();
        List<string> said = [];
        var faults = new FaultLog(clock, said.Add);
        faults.Add(Source.Store, "no store");
        faults.Add(Source.Store, "no store");
        faults.Add(Source.Links, "no links");
        clock.Advance(FaultLog.Silence);
        faults.Add(Source.Store, "still none");
        Assert.Equal(["store: no store", "links: no links", "store: still none (1 faults of this kind were not reported)"], said);
        Assert.Equal([3ul, 1ul, 0ul], faults.Counts()[..3]);
    }

    private static NetworkRecord Network(string name, string pool, int size) =>
        new() { Name = name, BootId = "", HostNetns = "", Ports = "", EphemeralPorts = pool, EphemeralPortsPerContainer = size };

    private sealed class Clock : TimeProvider
    {
        private TimeSpan _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now.Ticks;

        public void Advance(TimeSpan by) => _now += by;
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
