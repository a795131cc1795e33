using System.Net;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>What a container with a packet socket and a promiscuous interface gets to see of others.</summary>
public sealed class SnifferTests
{
    [Fact]
    public async Task A_sniffer_sees_its_own_ports_and_the_answers_that_have_no_port()
    {
        using Site site = new(2);
        site.C1.Place.Ip("link set eth0 promisc on");
        using PacketSocket sniffer = PacketSocket.Open(site.C1.Place, "eth0", frame => !frame.Outgoing);
        using Bystanders bystanders = new(site);
        bystanders.AssertAlive();
        foreach ((Namespace from, IPEndPoint to) in new[]
                 {
                     (site.Out, site.AtHost(9)), (site.Out, site.AtHost(site.C2.Port + 1)), (site.C2.Place, site.AtOut(9)), (site.C2.Place, site.AtHost(9)),
                     (site.C2.Place, new(IPAddress.Loopback, 9)), (site.Host, site.AtOut(9)), (site.Host, site.AtHost(site.C2.Port)),
                 })
        {
            ProbeResult closed = await Probe.RunAsync(from, Transport.Udp, to);
            Assert.True(closed.Outcome == ProbeOutcome.Refused, $"{from} to {to}: {closed}");
        }

        Assert.Equal(new PingResult(1, 1, 0), await Ping.SendAsync(site.C2.Place, site.OutAddress, 1));
        Assert.Equal(new PingResult(1, 1, 0), await Ping.SendAsync(site.Out, site.HostAddress, 1));

        // From the wire: others' broadcasts, multicasts, requests, and what the host's own stack has to judge.
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface, _ => false);
        foreach (string target in new[] { "255.255.255.255", "10.77.0.255", "224.0.0.1", "10.77.0.99", "198.51.100.7", "127.0.0.1" })
        {
            foreach (int port in new[] { site.C1.Port, site.C1.SliceBegin, site.C2.Port })
            {
                byte[] packet = Frames.Udp(site.AtOut(), new(IPAddress.Parse(target), port), []);
                wire.Send(site.FromOut(packet));
                wire.Send(Frames.Ethernet(MacAddress.Broadcast, site.Topology.OutMac, Frames.EtherTypeIPv4, packet));
            }
        }

        wire.Send(Frames.Ethernet(MacAddress.Broadcast, site.Topology.OutMac, Frames.EtherTypeArp, Frames.Arp(1, site.Topology.OutMac, site.OutAddress, default, site.HostAddress)));
        Mark last = new();
        wire.Send(site.FromOut(Frames.Udp(site.AtOut(), site.AtHost(site.C1.Port), last.Bytes)));
        Assert.NotNull(sniffer.WaitFor(last.In));
        site.AssertQuiet();
        CapturedFrame[] others =
        [
            .. sniffer.Frames.Where(frame => !last.In(frame) && frame.View.ArpOperation != 2 && frame.View.IcmpType != 0),
        ];
        Assert.True(others.Length == 0, string.Join('\n', others.Select(frame => frame.ToString())));
        Assert.Contains(sniffer.Frames, frame => frame.View.IcmpType == 0);
    }

    /// <summary>The host's stack drops what claims to come from itself; a container would believe it, as its neighbours have its address.</summary>
    [Theory]
    [InlineData("10.77.0.2")]
    [InlineData("127.0.0.1")]
    [InlineData("127.1.2.3")]
    public void A_packet_from_the_wire_in_the_host_s_name_reaches_nobody(string source)
    {
        using Site site = new(2);
        using PacketSocket c1 = PacketSocket.Open(site.C1.Place, "eth0", frame => !frame.Outgoing);
        using RawSocket host = RawSocket.Open(site.Host, Frames.ProtocolUdp);
        using RawSocket errors = RawSocket.Open(site.Host, Frames.ProtocolIcmp);
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface);
        Mark mark = new();
        IPAddress from = IPAddress.Parse(source);
        foreach (IPEndPoint to in new[] { site.AtHost(site.C1.Port), site.AtHost(site.C1.SliceEnd), site.AtHost(Site.ServerPort), new(IPAddress.Loopback, site.C1.Port) })
        {
            foreach (int port in new[] { site.C1.Port, site.C2.Port, Site.ServerPort })
            {
                wire.Send(site.FromOut(Frames.Udp(new(from, port), to, mark.Bytes)));
                wire.Send(site.FromOut(Frames.Tcp(new(from, port), to, payload: mark.Bytes)));
                wire.Send(site.FromOut(Frames.Udp(new(from, port), to, mark.Bytes, options: [1, 1, 1, 1])));
            }

            wire.Send(site.FromOut(Frames.IPv4(from, to.Address, Frames.ProtocolIcmp, Frames.Icmp(3, 3, 0, [.. Frames.Udp(to, site.AtOut(), []), .. mark.Bytes]))));
            wire.Send(site.FromOut(Frames.IPv4(from, to.Address, Frames.ProtocolIcmp, Frames.IcmpEcho(0, 1, 1, mark.Bytes))));
        }

        Mark last = new();
        wire.Send(site.FromOut(Frames.Udp(site.AtOut(), site.AtHost(site.C1.Port), last.Bytes)));
        wire.Send(site.FromOut(Frames.Udp(site.AtOut(), site.AtHost(Site.ServerPort), last.Bytes)));
        Assert.NotNull(c1.WaitFor(last.In));
        Assert.True(host.WaitFor(last.In));
        site.AssertQuiet();
        Assert.False(mark.Seen(c1) || mark.Seen(host) || mark.Seen(errors));
        Assert.DoesNotContain(wire.Frames, frame => !frame.Outgoing && frame.View.IsIPv4 && !last.In(frame));
    }
}
