namespace CniIsolator.DataPath.Tests;

/// <summary>Every way between the outside, the host and containers.</summary>
public sealed class MatrixTests
{
    [Theory]
    [InlineData(1500, 0, true)]
    [InlineData(1500, 1, false)]
    [InlineData(1500, 2, true)]
    [InlineData(9000, 0, false)]
    [InlineData(9000, 1, true)]
    [InlineData(9000, 2, false)]
    public async Task Every_way_is_open_that_should_be_and_no_other(int mtu, int reversePathFilter, bool bulk)
    {
        using Site site = new(2, new TopologyOptions { Mtu = mtu, ReversePathFilter = reversePathFilter });
        IReadOnlyList<MatrixCase> cases = await ProbeMatrix.RunAsync(
            site.Topology, site.C1.InMatrix("C1"), site.C2.InMatrix("C2"), new MatrixOptions { Bulk = bulk });
        Assert.Equal("", ProbeMatrix.Failures(cases));
        Assert.True(cases.Count >= (bulk ? 70 : 38), $"{cases.Count} probes");
        site.AssertQuiet();
    }

    [Fact]
    public async Task With_hostLoopback_deny_all_is_open_but_the_hosts_loopback()
    {
        using Site site = new(2, vary: config => config.With("hostLoopback", "deny"));
        IReadOnlyList<MatrixCase> cases = await ProbeMatrix.RunAsync(
            site.Topology, site.C1.InMatrix("C1"), site.C2.InMatrix("C2"), new MatrixOptions { HostLoopback = false });
        Assert.Equal("", ProbeMatrix.Failures(cases));

        // The container's own 127.0.0.1 is private.
        foreach (Transport transport in Enum.GetValues<Transport>())
        {
            using EchoServer own = EchoServer.Start(site.C2.Place, transport, IPAddress.Loopback, site.C2.Port);
            Assert.True((await Probe.RunAsync(site.C2.Place, transport, own.EndPoint)).Ok);
            ProbeResult other = await Probe.RunAsync(site.C1.Place, transport, own.EndPoint, ProbeOptions.Hopeless);
            Assert.Equal(ProbeOutcome.Refused, other.Outcome);
        }

        site.AssertQuiet();
    }

    [Fact]
    public void With_hostLoopback_deny_no_raw_packet_reaches_the_hosts_loopback()
    {
        using Site site = new(2, vary: config => config.With("hostLoopback", "deny"));
        using RawSocket host = RawSocket.Open(site.Host, Frames.ProtocolUdp);
        using PacketSocket c1 = PacketSocket.Open(site.C1.Place, "eth0");
        using PacketSocket c2 = PacketSocket.Open(site.C2.Place, "eth0", frame => !frame.Outgoing);
        foreach (int target in new[] { Site.ServerPort, site.C2.Port })
        {
            foreach (IPAddress source in new[] { site.HostAddress, IPAddress.Loopback, IPAddress.Parse("127.0.0.9"), site.OutAddress })
            {
                foreach (IPAddress destination in new[] { IPAddress.Loopback, IPAddress.Parse("127.3.2.1") })
                {
                    Mark bad = new();
                    c1.Send(site.ToHost(Frames.Udp(new(source, site.C1.Port), new(destination, target), bad.Bytes)));
                    Mark good = new();
                    c1.Send(site.ToHost(Frames.Udp(site.AtHost(site.C1.Port), site.AtHost(Site.ServerPort), good.Bytes)));
                    Assert.True(host.WaitFor(good.In));
                    Assert.False(bad.Seen(host), $"{source} -> {destination}:{target} came to the host");
                    Assert.False(bad.Seen(c2), $"{source} -> {destination}:{target} came to another container");
                }
            }
        }

        site.AssertQuiet();
    }
}
