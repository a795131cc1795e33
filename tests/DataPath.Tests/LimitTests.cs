namespace CniIsolator.DataPath.Tests;

/// <summary>
/// What limits do to traffic. Times are measured only to say how much may have arrived by then at most, which a slow machine
/// does not disturb.
/// </summary>
public sealed class LimitTests
{
    private const int Rate = 2_500_000; // 20 Mbit/s
    private const int Lowest = 125_000;

    // More than htb's own queue holds by far.
    private const int Many = 4000;

    /// <summary>What is offered at once comes at the rate: sent by whoever is limited, or received.</summary>
    [Theory]
    [InlineData("c1", "out", false, "egress")]
    [InlineData("c1", "host", false, "egress")]
    [InlineData("c1", "host", true, "egress")]
    [InlineData("c1", "c2", false, "egress")]
    [InlineData("out", "c1", false, "ingress")]
    [InlineData("host", "c1", false, "ingress")]
    [InlineData("host", "c1", true, "ingress")]
    [InlineData("c2", "c1", true, "ingress")]
    public void Datagrams_that_are_offered_at_once_arrive_at_the_rate(string from, string to, bool loopback, string direction)
    {
        using Site site = new(0);
        Container limited = site.Add(31000, site.Plugin.Config.WithPorts(31000).With($"{direction}RateLimitPerContainer", Rate));
        site.Add(31001);
        IPEndPoint target = new(
            to == "out" ? site.OutAddress : loopback ? IPAddress.Loopback : site.HostAddress,
            to switch { "c1" => 31000, "c2" => 31001, _ => Site.ServerPort });
        using Flood flood = Flood.Open(Place(site, from), Place(site, to), target);
        Func<HtbClassState> read = direction == "egress" ? () => Egress(limited) : () => Ingress(site, limited);
        AssertShaped(flood, read, Rate);
        site.AssertQuiet();
    }

    [Theory]
    [InlineData("egress")]
    [InlineData("ingress")]
    public void Large_frames_are_limited_alike(string direction)
    {
        const int Faster = 5 * Rate;
        using Site site = new(0, new TopologyOptions { Mtu = 9000 });
        Container limited = site.Add(31000, site.Plugin.Config.WithPorts(31000).With($"{direction}RateLimitPerContainer", Faster));
        if (direction == "egress")
        {
            using Flood flood = Flood.Open(limited.Place, site.Out, site.AtOut(), 9000);
            AssertShaped(flood, () => Egress(limited), Faster, 9000);
        }
        else
        {
            using Flood flood = Flood.Open(site.Out, limited.Place, site.AtHost(31000), 9000);
            AssertShaped(flood, () => Ingress(site, limited), Faster, 9000);
        }
    }

    [Fact]
    public void Between_containers_the_sender_s_limit_and_the_receiver_s_both_count()
    {
        using Site site = new(0);
        Container sender = site.Add(31000, site.Plugin.Config.WithPorts(31000).With("egressRateLimitPerContainer", 4 * Rate));
        Container receiver = site.Add(31001, site.Plugin.Config.WithPorts(31001).With("ingressRateLimitPerContainer", Rate));
        using Flood flood = Flood.Open(sender.Place, receiver.Place, site.AtHost(31001));
        flood.Send(Many);
        Wait.Until(() => Egress(sender).Waiting == 0 && Ingress(site, receiver).Waiting == 0, "both queues to be empty");
        (HtbClassState sent, HtbClassState passed) = (Egress(sender), Ingress(site, receiver));
        (long received, TimeSpan elapsed) = (flood.Received, flood.Elapsed);
        Assert.True(sent.Dropped > 0, $"{sent}");
        Assert.InRange(received, passed.Burst + 1, Most(Rate, passed.Burst, elapsed, 1500));
        Assert.InRange(passed.Sent, received, Most(Rate, passed.Burst, elapsed, 1500));
        Assert.InRange(sent.Sent, passed.Sent, Most(4 * Rate, sent.Burst, elapsed, 1500));
    }

    /// <summary>SO_PRIORITY names a class of htb, or as 1:0 the queue that passes by all classes.</summary>
    [Fact]
    public void No_priority_of_a_socket_passes_by_the_limit()
    {
        using Site site = new(0);
        Container limited = site.Add(31000, site.Plugin.Config.WithPorts(31000).With("egressRateLimitPerContainer", Rate));
        using (Flood direct = Flood.Open(limited.Place, site.Out, site.AtOut(), priority: 0x1_0000))
        {
            direct.Send(100);
            using Flood ordinary = Flood.Open(limited.Place, site.Out, site.AtOut(Site.ServerPort + 1));
            ordinary.Send(5);
            Assert.True(Wait.For(() => ordinary.Received == ordinary.Offered));
            Assert.Equal(0, direct.Received);
        }

        foreach (int priority in new[] { 0x1_0001, 0x1_0002, 0x2_0000, 6 })
        {
            using Flood flood = Flood.Open(limited.Place, site.Out, site.AtOut(), priority: priority);
            AssertShaped(flood, () => Egress(limited), Rate);
        }

        Assert.Contains("direct_packets_stat 0 ", HtbState.Read(limited.Place, "eth0").Qdisc, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1500)]
    [InlineData(9000)]
    public async Task Streams_arrive_whole_and_at_the_rate(int mtu)
    {
        const int Bytes = 2 << 20;
        using Site site = new(0, new TopologyOptions { Mtu = mtu });
        Container limited = site.Add(
            31000,
            site.Plugin.Config.WithPorts(31000).With("egressRateLimitPerContainer", Rate).With("ingressRateLimitPerContainer", Rate));
        using EchoServer outside = EchoServer.Start(site.Out, Transport.Tcp, site.OutAddress, Site.ServerPort);
        using EchoServer inside = EchoServer.Start(limited.Place, Transport.Tcp, IPAddress.Any, limited.Port);
        foreach ((Namespace from, IPEndPoint to) in new[] { (limited.Place, outside.EndPoint), (site.Out, site.AtHost(limited.Port)) })
        {
            (long sent, long received) = (Egress(limited).Sent, Ingress(site, limited).Sent);
            System.Diagnostics.Stopwatch watch = System.Diagnostics.Stopwatch.StartNew();
            ProbeResult result = await Probe.RunAsync(from, Transport.Tcp, to, ProbeOptions.Bulk with { StreamBytes = Bytes });
            Assert.True(result.Ok, result.ToString());
            (sent, received) = (Egress(limited).Sent - sent, Ingress(site, limited).Sent - received);
            long most = Most(Rate, Egress(limited).Burst, watch.Elapsed, 65_536);
            Assert.InRange(sent, Bytes, most);
            Assert.InRange(received, Bytes, most);
        }

        site.AssertQuiet();
    }

    [Fact]
    public async Task Nobody_else_waits_behind_a_limit()
    {
        using Site site = new(0);
        Container limited = site.Add(
            31000,
            site.Plugin.Config.WithPorts(31000).With("egressRateLimitPerContainer", Lowest).With("ingressRateLimitPerContainer", Lowest));
        Container free = site.Add(31001);
        using Flood sending = Flood.Open(limited.Place, site.Out, site.AtOut(Site.ServerPort + 1)).Send(Many);
        using Flood receiving = Flood.Open(site.Out, limited.Place, site.AtHost(limited.Port)).Send(Many);
        using EchoServer tcp = EchoServer.Start(site.Out, Transport.Tcp, site.OutAddress, Site.ServerPort);
        using EchoServer udp = EchoServer.Start(site.Out, Transport.Udp, site.OutAddress, Site.ServerPort);
        using EchoServer inside = EchoServer.Start(free.Place, Transport.Tcp, IPAddress.Any, free.Port);
        using EchoServer host = EchoServer.Start(site.Host, Transport.Tcp, IPAddress.Any, Site.ServerPort);
        foreach ((Namespace from, Transport transport, IPEndPoint to) in new[]
                 {
                     (free.Place, Transport.Tcp, tcp.EndPoint), (free.Place, Transport.Udp, udp.EndPoint), (site.Host, Transport.Tcp, tcp.EndPoint),
                     (site.Out, Transport.Tcp, site.AtHost(free.Port)), (site.Host, Transport.Tcp, site.AtHost(free.Port)),
                     (site.Out, Transport.Tcp, site.AtHost(Site.ServerPort)), (free.Place, Transport.Tcp, site.AtHost(Site.ServerPort)),
                 })
        {
            // At the limited one's rate, this would take a minute.
            ProbeResult result = await Probe.RunAsync(from, transport, to, ProbeOptions.Bulk);
            Assert.True(result.Ok, $"{transport} from {from} to {to}: {result}");
        }

        Assert.True(Egress(limited).Waiting > 0, "all that waited was sent before the others were through");
        Assert.True(Ingress(site, limited).Waiting > 0, "all that waited was received before the others were through");
        Assert.Null(HtbState.Read(site.Host, free.HostEnd).Qdisc);
        Assert.Null(HtbState.Read(free.Place, "eth0").Qdisc);
        Assert.Null(HtbState.Read(site.Host, "eth0").Qdisc);
    }

    [Theory]
    [InlineData(1500, true)]
    [InlineData(9000, false)]
    public async Task Every_way_is_open_behind_limits_as_without(int mtu, bool bulk)
    {
        const int Fast = 6_250_000; // 50 Mbit/s
        using Site site = new(
            2,
            new TopologyOptions { Mtu = mtu },
            config => config.With("egressRateLimitPerContainer", Fast).With("ingressRateLimitPerContainer", Fast));
        IReadOnlyList<MatrixCase> cases = await ProbeMatrix.RunAsync(
            site.Topology, site.C1.InMatrix("C1"), site.C2.InMatrix("C2"), new MatrixOptions { Bulk = bulk, StreamBytes = 1 << 20 });
        Assert.Equal("", ProbeMatrix.Failures(cases));
        Assert.True(cases.Count >= (bulk ? 70 : 38), $"{cases.Count} probes");
        foreach (Container container in site.Containers)
        {
            int least = bulk ? 3 << 20 : 1000;
            Assert.True(Egress(container).Sent > least, $"{Egress(container)}");
            Assert.True(Ingress(site, container).Sent > least, $"{Ingress(site, container)}");
            site.Plugin.Check(container.Place, container.Id, config: site.Plugin.Config.WithPorts(container.Port)).Require();
        }

        site.AssertQuiet();
    }

    private static Namespace Place(Site site, string name) => name switch { "c1" => site.C1.Place, "c2" => site.C2.Place, "out" => site.Out, _ => site.Host };

    private static HtbClassState Egress(Container container) => HtbState.Read(container.Place, "eth0").Class;

    private static HtbClassState Ingress(Site site, Container container) => HtbState.Read(site.Host, container.HostEnd).Class;

    /// <summary>Offers many times what the limit lets through in that time, and waits until nothing of it is left on the way.</summary>
    private static void AssertShaped(Flood flood, Func<HtbClassState> read, long rate, int mtu = 1500)
    {
        HtbClassState before = read();
        flood.Send(Many);
        Wait.Until(() => read().Waiting == 0, "the queue behind the limit to be empty");
        HtbClassState after = read();
        (long received, TimeSpan elapsed) = (flood.Received, flood.Elapsed);
        Assert.Equal((rate, rate), (after.Rate, after.Ceil));
        Assert.InRange(received, after.Burst + 1, Most(rate, after.Burst, elapsed, mtu));
        Assert.InRange(after.Sent - before.Sent, received, Most(rate, after.Burst, elapsed, mtu));
        Assert.True(after.Dropped > before.Dropped, $"{after}");
    }

    /// <summary>
    /// Bytes that a limit may have let pass: the burst, what the rate gives in the time, one packet on credit; and something for the
    /// scheduler's rounding.
    /// </summary>
    private static long Most(long rate, long burst, TimeSpan elapsed, int packet) =>
        burst + (long)(rate * elapsed.TotalSeconds * 1.02) + (2 * (packet + 14));
}
