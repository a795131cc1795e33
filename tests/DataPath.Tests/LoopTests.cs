namespace CniIsolator.DataPath.Tests;

/// <summary>A redirect lowers no TTL: what is sent back and forth once is sent for ever.</summary>
public sealed class LoopTests
{
    [Fact]
    public void A_container_that_reflects_everything_starts_no_loop()
    {
        using Site site = new(2);
        foreach (Container container in site.Containers)
        {
            container.Place.TcBatch(
                "qdisc del dev eth0 clsact",
                "qdisc add dev eth0 clsact",
                "filter add dev eth0 ingress protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev eth0",
                "filter del dev lo ingress",
                "filter add dev lo ingress protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev eth0");
        }

        using PacketSocket c1 = PacketSocket.Open(site.C1.Place, "eth0", frame => !frame.Outgoing);
        using PacketSocket c2 = PacketSocket.Open(site.C2.Place, "eth0", frame => !frame.Outgoing);
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface);
        using RawSocket host = RawSocket.Open(site.Host, Frames.ProtocolUdp);
        foreach (IPAddress address in new[] { site.HostAddress, IPAddress.Loopback })
        {
            IPEndPoint own = new(address, site.C1.Port);
            IPEndPoint other = new(address, site.C2.Port);
            List<byte[]> packets =
            [
                Frames.Udp(own, own, []), Frames.Tcp(own, own), Frames.Udp(own, new(address, site.C1.SliceBegin), []),
                Frames.Udp(own, other, []), Frames.Tcp(own, other),
                Frames.IPv4(address, address, Frames.ProtocolIcmp, Frames.IcmpEcho(8, 1, 1, [])),
                Frames.IPv4(address, address, Frames.ProtocolIcmp, Frames.IcmpEcho(0, 1, 1, [])),
            ];
            foreach (byte type in new byte[] { 3, 11, 12 })
            {
                packets.AddRange(
                    from about in new[] { Frames.Udp(own, own, []), Frames.Tcp(own, own), Frames.Udp(other, own, []), Frames.Udp(own, other, []) }
                    select Frames.IPv4(address, address, Frames.ProtocolIcmp, Frames.IcmpError(type, 3, about)));
            }

            packets.AddRange(Frames.Fragments(Frames.Udp(own, own, new byte[2000]), 800, 9));
            packets.AddRange(Frames.Fragments(Frames.Udp(own, other, new byte[2000]), 800, 10));
            foreach (byte[] packet in packets)
            {
                c1.Send(site.ToHost(packet));
                wire.Send(site.FromOut(packet));
            }

            Mark sent = new();
            c1.Send(site.ToHost(Frames.Udp(own, new(address, Site.ServerPort), sent.Bytes)));
            Assert.True(host.WaitFor(sent.In));
            site.AssertQuiet();
        }

        foreach (byte[] packet in new[]
                 {
                     Frames.Udp(site.AtOut(), site.AtHost(site.C1.Port), []), Frames.Tcp(site.AtOut(), site.AtHost(site.C1.Port)),
                     Frames.IPv4(site.OutAddress, site.HostAddress, Frames.ProtocolIcmp, Frames.IcmpEcho(0, 1, 1, [])),
                 })
        {
            wire.Send(site.FromOut(packet));
        }

        Assert.NotNull(c1.WaitFor(frame => frame.View.IcmpType == 0));
        Assert.NotNull(c2.WaitFor(frame => frame.View.IcmpType == 0));
        site.AssertQuiet();
    }
}
