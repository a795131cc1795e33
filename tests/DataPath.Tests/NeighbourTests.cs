namespace CniIsolator.DataPath.Tests;

/// <summary>ARP, and what there is not of IPv6.</summary>
public sealed class NeighbourTests
{
    [Fact]
    public void A_request_for_the_shared_address_is_answered_once()
    {
        using Site site = new(3);
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface, frame => frame.View.ArpOperation == 2 && !frame.Outgoing);
        for (int number = 10; number < 15; number++)
        {
            IPAddress asker = IPAddress.Parse($"10.77.0.{number}");
            wire.Send(Frames.Ethernet(
                MacAddress.Broadcast, site.Topology.OutMac, Frames.EtherTypeArp, Frames.Arp(1, site.Topology.OutMac, asker, default, site.HostAddress)));
            Assert.NotNull(wire.WaitFor(frame => asker.Equals(frame.View.Destination)));
        }

        site.AssertQuiet();
        Assert.Equal(5, wire.Frames.Count);
        Assert.All(wire.Frames, frame => Assert.Equal(site.Topology.HostMac, frame.View.SourceMac));
    }

    [Fact]
    public async Task A_container_finds_a_fresh_neighbour_on_the_link()
    {
        using Site site = new(3);
        site.Out.Ip($"address add 10.77.0.77/24 dev {Topology.OutInterface}");
        IPAddress fresh = IPAddress.Parse("10.77.0.77");
        foreach (Container container in site.Containers)
        {
            Assert.DoesNotContain("10.77.0.77", container.Place.Ip("neighbour show"), StringComparison.Ordinal);
            using EchoServer server = EchoServer.Start(site.Out, Transport.Udp, fresh, Site.ServerPort);
            ProbeResult result = await Probe.RunAsync(container.Place, Transport.Udp, server.EndPoint);
            Assert.True(result.Ok, result.ToString());
            Assert.Contains(site.Topology.OutMac.ToString(), container.Place.Ip("neighbour show 10.77.0.77"), StringComparison.Ordinal);
        }

        site.AssertQuiet();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_container_has_no_IPv6(bool loopbackUp)
    {
        using Topology topology = new();
        Namespace container = topology.AddContainerNamespace(loopbackUp);
        string hostEnd = new Plugin(topology).Add(container, "c1").Require().Member("interfaces")!.Value.EnumerateArray()
            .Select(one => one.GetProperty("name").GetString()!).First(name => name is not "eth0" and not "lo");
        foreach (string scope in new[] { "all", "default", "lo", "eth0" })
        {
            Assert.Equal("1", container.Sysctl($"net/ipv6/conf/{scope}/disable_ipv6"));
            Assert.Equal("0", container.Sysctl($"net/ipv6/conf/{scope}/accept_ra"));
        }

        // A router advertisement with a prefix, from the host's end straight into the container.
        byte[] prefix = [3, 4, 64, 0xc0, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        byte[] advertisement = [134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, .. prefix];
        IPAddress router = IPAddress.Parse("fe80::1");
        IPAddress all = IPAddress.Parse("ff02::1");
        byte[] pseudo = [.. router.GetAddressBytes(), .. all.GetAddressBytes(), 0, 0, 0, (byte)advertisement.Length, 0, 0, 0, 58, .. advertisement];
        ushort sum = Frames.Checksum(pseudo);
        (advertisement[2], advertisement[3]) = ((byte)(sum >> 8), (byte)sum);
        byte[] packet = [0x60, 0, 0, 0, 0, (byte)advertisement.Length, 58, 255, .. router.GetAddressBytes(), .. all.GetAddressBytes(), .. advertisement];
        using PacketSocket inside = PacketSocket.Open(container, "eth0", frame => frame.View.EtherType == 0x86dd);
        using PacketSocket outside = PacketSocket.Open(topology.Host, hostEnd);
        outside.Send(Frames.Ethernet(MacAddress.Parse("33:33:00:00:00:01"), topology.HostMac, 0x86dd, packet));
        Assert.NotNull(inside.WaitFor(frame => !frame.Outgoing));
        Assert.True(Softirq.WaitForQuiet(topology));
        Assert.Equal("", container.Ip("-6 address show").Trim());
        Assert.Equal("", container.Ip("-6 route show").Trim());
        Assert.Equal("1", topology.Host.Sysctl($"net/ipv6/conf/{hostEnd}/disable_ipv6"));
    }
}
