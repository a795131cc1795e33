namespace CniIsolator.DataPath.Tests;

/// <summary>Errors come to whom they concern, and to nobody else; echoes come once.</summary>
public sealed class IcmpTests
{
    [Fact]
    public async Task A_closed_port_refuses_wherever_it_is()
    {
        using Site site = new(2);
        foreach (IPEndPoint target in new[]
                 {
                     site.AtOut(9), new(site.Topology.RoutedAddress, 9), site.AtHost(9), new(IPAddress.Loopback, 9), site.AtHost(site.C2.Port),
                     new(IPAddress.Loopback, site.C2.Port), site.AtHost(site.C1.Port),
                 })
        {
            foreach (Transport transport in Enum.GetValues<Transport>())
            {
                ProbeResult result = await Probe.RunAsync(site.C1.Place, transport, target);
                Assert.True(result.Outcome == ProbeOutcome.Refused, $"{transport} {target}: {result}");
            }
        }

        foreach (Namespace from in new[] { site.Out, site.Host })
        {
            Assert.Equal(ProbeOutcome.Refused, (await Probe.RunAsync(from, Transport.Udp, site.AtHost(site.C1.Port))).Outcome);
        }

        Assert.Equal(ProbeOutcome.Refused, (await Probe.RunAsync(site.Host, Transport.Udp, new(IPAddress.Loopback, site.C1.Port))).Outcome);
        site.AssertQuiet();
    }

    [Theory]
    [InlineData(3, 4, 1400u)]
    [InlineData(3, 1, 0u)]
    [InlineData(11, 0, 0u)]
    [InlineData(12, 0, 0x14000000u)]
    public void An_error_reaches_exactly_the_owner_of_the_quoted_port(byte type, byte code, uint rest)
    {
        using Site site = new(0);
        Container first = site.Add(31005, site.Plugin.Config with { PortMappings = [new(31005, 31005)] });
        Container second = site.Add(31005, site.Plugin.Config with { PortMappings = [new(31005, 31005, "udp")] });
        using RawSocket host = RawSocket.Open(site.Host, Frames.ProtocolIcmp);
        using PacketSocket c1 = PacketSocket.Open(first.Place, "eth0", frame => !frame.Outgoing);
        using PacketSocket c2 = PacketSocket.Open(second.Place, "eth0", frame => !frame.Outgoing);
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface);
        Mark Send(byte[] about)
        {
            Mark mark = new();
            byte[] error = Frames.Icmp(type, code, rest, [.. about, .. mark.Bytes]);
            wire.Send(site.FromOut(Frames.IPv4(site.OutAddress, site.HostAddress, Frames.ProtocolIcmp, error)));
            return mark;
        }

        // The embedded protocol decides between owners of one number.
        Mark tcp = Send(Frames.Tcp(site.AtHost(31005), site.AtOut()));
        Mark udp = Send(Frames.Udp(site.AtHost(31005), site.AtOut(), []));
        Mark options = Send(Frames.Udp(site.AtHost(31005), site.AtOut(), [], options: [1, 1, 1, 1]));
        Mark slice = Send(Frames.Udp(site.AtHost(first.SliceEnd), site.AtOut(), []));
        Mark unowned = Send(Frames.Udp(site.AtHost(Site.UnownedPort), site.AtOut(), []));
        Mark otherProtocol = Send(Frames.IPv4(site.HostAddress, site.OutAddress, 47, [31005 >> 8, 31005 & 255, 0, 0, 0, 0, 0, 0]));
        Mark foreign = Send(Frames.Udp(new(site.Topology.RoutedAddress, 31005), site.AtOut(), []));
        Mark last = Send(Frames.Udp(site.AtHost(second.SliceBegin), site.AtOut(), []));
        Assert.NotNull(c2.WaitFor(last.In));
        Assert.NotNull(c1.WaitFor(slice.In));
        Assert.True(host.WaitFor(foreign.In));
        site.AssertQuiet();
        string Where(Mark mark) => (mark.Seen(c1) ? "1" : "") + (mark.Seen(c2) ? "2" : "") + (mark.Seen(host) ? "h" : "");
        Assert.Equal(["1", "2", "2", "1", "h", "h", "h", "2"], new[] { tcp, udp, options, slice, unowned, otherProtocol, foreign, last }.Select(Where));
    }

    [Fact]
    public async Task Path_mtu_discovery_works_for_a_container()
    {
        using Site site = new(2);
        using Namespace far = Namespace.Create("far");
        far.Ip("link set lo up");
        site.Out.IpBatch($"link add far0 type veth peer name eth0 netns {far.Name}", "address add 203.0.113.1/24 dev far0", "link set far0 up");
        far.IpBatch("address add 203.0.113.2/24 dev eth0", "link set eth0 up", "route add default via 203.0.113.1");

        // Locked, since a router otherwise takes the link's MTU, and the way back must stay wide.
        site.Out.Ip("route add 203.0.113.2/32 dev far0 mtu lock 1300");
        IPAddress address = IPAddress.Parse("203.0.113.2");
        using EchoServer server = EchoServer.Start(far, Transport.Tcp, address, Site.ServerPort);
        ProbeResult result = await Probe.RunAsync(site.C1.Place, Transport.Tcp, server.EndPoint, ProbeOptions.Small with { StreamBytes = 200_000, Timeout = TimeSpan.FromSeconds(30) });
        Assert.True(result.Ok, result.ToString());
        Assert.Contains("mtu 1300", site.C1.Place.Ip("route get 203.0.113.2"), StringComparison.Ordinal);
        Assert.DoesNotContain("mtu 1300", site.C2.Place.Ip("route get 203.0.113.2"), StringComparison.Ordinal);
        Assert.DoesNotContain("mtu 1300", site.Host.Ip("route get 203.0.113.2"), StringComparison.Ordinal);
        site.AssertQuiet();
    }

    [Fact]
    public async Task Every_ping_is_answered_once()
    {
        using Site site = new(3);
        List<(Namespace From, IPAddress To)> ways = [(site.Out, site.HostAddress), (site.Host, site.OutAddress), (site.Host, site.HostAddress), (site.Host, IPAddress.Loopback)];
        foreach (Container container in site.Containers)
        {
            ways.AddRange(
                from target in new[] { site.OutAddress, site.Topology.RoutedAddress, site.HostAddress, IPAddress.Loopback }
                select (container.Place, target));
        }

        foreach ((Namespace from, IPAddress to) in ways)
        {
            PingResult result = await Ping.SendAsync(from, to);
            Assert.True(result == new PingResult(3, 3, 0), $"{from} -> {to}: {result}");
        }

        site.AssertQuiet();
    }
}
