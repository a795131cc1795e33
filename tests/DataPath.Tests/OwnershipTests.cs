namespace CniIsolator.DataPath.Tests;

/// <summary>Whose a packet is that comes from the wire.</summary>
public sealed class OwnershipTests
{
    private const byte Sctp = 132;

    [Fact]
    public async Task Tcp_and_udp_of_one_port_have_different_owners()
    {
        using Site site = new(0);
        Container tcp = site.Add(31005, site.Plugin.Config with { PortMappings = [new(31005, 31005)] });
        Container udp = site.Add(31005, site.Plugin.Config with { PortMappings = [new(31005, 31005, "udp")] });
        using EchoServer tcpServer = EchoServer.Start(tcp.Place, Transport.Tcp, IPAddress.Any, 31005);
        using EchoServer udpServer = EchoServer.Start(udp.Place, Transport.Udp, IPAddress.Any, 31005);
        foreach (Namespace from in new[] { site.Out, site.Host })
        {
            foreach (Transport transport in Enum.GetValues<Transport>())
            {
                ProbeResult result = await Probe.RunAsync(from, transport, site.AtHost(31005));
                Assert.True(result.Ok, $"{from} {transport}: {result}");
            }
        }

        Assert.True((await Probe.RunAsync(tcp.Place, Transport.Udp, site.AtHost(31005))).Ok);
        Assert.True((await Probe.RunAsync(udp.Place, Transport.Tcp, site.AtHost(31005))).Ok);
        site.AssertQuiet();
    }

    [Fact]
    public void An_sctp_port_reaches_its_owner_alone()
    {
        using Site site = new(0);
        Container owner = site.Add(31005, site.Plugin.Config with { PortMappings = [new(31005, 31005, "sctp")] });
        Container other = site.Add(31005);
        using RawSocket atOwner = RawSocket.Open(owner.Place, Sctp);
        using RawSocket atOther = RawSocket.Open(other.Place, Sctp);
        using RawSocket atHost = RawSocket.Open(site.Host, Sctp);
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface);
        Mark mark = new();
        wire.Send(site.FromOut(Frames.IPv4(site.OutAddress, site.HostAddress, Sctp, [0x10, 0, 31005 >> 8, 31005 & 255, .. mark.Bytes])));
        Assert.True(atOwner.WaitFor(mark.In));
        Mark unowned = new();
        wire.Send(site.FromOut(Frames.IPv4(site.OutAddress, site.HostAddress, Sctp, [0x10, 0, 31006 >> 8, 31006 & 255, .. unowned.Bytes])));
        Assert.True(atHost.WaitFor(unowned.In));
        Assert.False(mark.Seen(atHost) || mark.Seen(atOther) || unowned.Seen(atOwner) || unowned.Seen(atOther));
        site.AssertQuiet();
    }

    [Theory]
    [InlineData(50)]
    [InlineData(47)]
    [InlineData(4)]
    public void Other_protocols_stay_with_the_host_whatever_their_bytes_look_like(byte protocol)
    {
        using Site site = new(1);
        using PacketSocket container = PacketSocket.Open(site.C1.Place, "eth0", frame => !frame.Outgoing);
        using RawSocket host = RawSocket.Open(site.Host, protocol);
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface);
        Mark mark = new();
        byte[] port = [(byte)(site.C1.Port >> 8), (byte)site.C1.Port];
        wire.Send(site.FromOut(Frames.IPv4(site.OutAddress, site.HostAddress, protocol, [.. port, .. port, .. port, .. port, .. mark.Bytes])));
        Assert.True(host.WaitFor(mark.In));
        AssertNeverCame(site, wire, container, mark);
    }

    [Fact]
    public void Packets_with_ip_options_reach_the_owner_of_the_port()
    {
        using Site site = new(2);
        using RawSocket tcp = RawSocket.Open(site.C2.Place, Frames.ProtocolTcp);
        using RawSocket udp = RawSocket.Open(site.C2.Place, Frames.ProtocolUdp);
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface);
        byte[] options = [1, 1, 1, 1, 1, 1, 1, 0]; // no operation, end of list
        Mark mark = new();
        wire.Send(site.FromOut(Frames.Udp(site.AtOut(), site.AtHost(site.C2.Port), mark.Bytes, options)));
        wire.Send(site.FromOut(Frames.Tcp(site.AtOut(), site.AtHost(site.C2.Port), payload: mark.Bytes, options: options)));
        Assert.True(udp.WaitFor(mark.In));
        Assert.True(tcp.WaitFor(mark.In));
        site.AssertQuiet();
    }

    [Theory]
    [InlineData(Transport.Tcp)]
    [InlineData(Transport.Udp)]
    public async Task Transit_traffic_for_a_containers_port_passes_untouched(Transport transport)
    {
        using Site site = new(1, new TopologyOptions { Transit = true });
        Namespace transit = site.Topology.Transit!;
        using PacketSocket container = PacketSocket.Open(site.C1.Place, "eth0", frame => !frame.Outgoing && frame.View.IsIPv4);
        using EchoServer behind = EchoServer.Start(transit, transport, site.Topology.TransitAddress, site.C1.Port);
        using EchoServer outside = EchoServer.Start(site.Out, transport, site.OutAddress, site.C1.Port);
        ProbeResult inward = await Probe.RunAsync(site.Out, transport, behind.EndPoint, new ProbeOptions { SourcePort = site.C1.Port + 1 });
        Assert.True(inward.Ok, inward.ToString());
        Assert.Equal(site.AtOut(site.C1.Port + 1), inward.Peer);
        ProbeResult outward = await Probe.RunAsync(transit, transport, outside.EndPoint, new ProbeOptions { SourcePort = site.C1.SliceBegin });
        Assert.True(outward.Ok, outward.ToString());
        Assert.Equal(new IPEndPoint(site.Topology.TransitAddress, site.C1.SliceBegin), outward.Peer);
        Assert.Empty(container.Frames);
        site.AssertQuiet();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void The_wire_reaches_nobody_by_127_0_0_1(int reversePathFilter)
    {
        using Site site = new(1, new TopologyOptions { ReversePathFilter = reversePathFilter });
        using PacketSocket container = PacketSocket.Open(site.C1.Place, "eth0", frame => !frame.Outgoing);
        using RawSocket host = RawSocket.Open(site.Host, Frames.ProtocolUdp);
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface);
        Mark mark = new();
        foreach (int port in new[] { site.C1.Port, site.C1.SliceBegin, Site.ServerPort })
        {
            foreach (IPAddress source in new[] { site.OutAddress, IPAddress.Loopback, site.HostAddress })
            {
                wire.Send(site.FromOut(Frames.Udp(new(source, 4321), new(IPAddress.Loopback, port), mark.Bytes)));
            }
        }

        Mark good = new();
        wire.Send(site.FromOut(Frames.Udp(site.AtOut(), site.AtHost(Site.ServerPort), good.Bytes)));
        Assert.True(host.WaitFor(good.In));
        Assert.False(mark.Seen(host));
        AssertNeverCame(site, wire, container, mark);
    }

    /// <summary>What is for the container comes later by the same way; the other would have been there.</summary>
    private static void AssertNeverCame(Site site, PacketSocket wire, PacketSocket container, Mark mark)
    {
        Mark last = new();
        wire.Send(site.FromOut(Frames.Udp(site.AtOut(), site.AtHost(site.C1.Port), last.Bytes)));
        Assert.NotNull(container.WaitFor(last.In));
        Assert.False(mark.Seen(container));
        site.AssertQuiet();
    }
}
