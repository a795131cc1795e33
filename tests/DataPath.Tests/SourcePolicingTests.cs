namespace CniIsolator.DataPath.Tests;

/// <summary>What a container may put on the wire or into the host, even with its root against us.</summary>
public sealed class SourcePolicingTests
{
    [Theory]
    [InlineData(Transport.Tcp)]
    [InlineData(Transport.Udp)]
    public async Task Only_an_owned_source_port_passes(Transport transport)
    {
        using Site site = new(2);
        using EchoServer outside = EchoServer.Start(site.Out, transport, site.OutAddress, Site.ServerPort);
        using EchoServer host = EchoServer.Start(site.Host, transport, IPAddress.Any, Site.ServerPort);
        using EchoServer other = EchoServer.Start(site.C2.Place, transport, IPAddress.Any, site.C2.Port);
        foreach (IPEndPoint target in new[]
                 {
                     site.AtOut(), site.AtHost(Site.ServerPort), new(IPAddress.Loopback, Site.ServerPort), site.AtHost(site.C2.Port),
                     new(IPAddress.Loopback, site.C2.Port),
                 })
        {
            foreach (int port in new[] { Site.UnownedPort, site.C2.Port, site.C2.SliceBegin + 5, 53, site.C1.SliceEnd + 1, site.C1.SliceBegin - 1 })
            {
                ProbeResult bad = await Probe.RunAsync(site.C1.Place, transport, target, ProbeOptions.Hopeless with { SourcePort = port });
                Assert.True(bad.Outcome == ProbeOutcome.Timeout, $"from {port} to {target}: {bad}");
            }

            foreach (int port in new[] { site.C1.Port, site.C1.SliceBegin, site.C1.SliceEnd })
            {
                ProbeResult good = await Probe.RunAsync(site.C1.Place, transport, target, new ProbeOptions { SourcePort = port });
                Assert.True(good.Ok, $"from {port} to {target}: {good}");
            }
        }

        site.AssertQuiet();
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(0, true)]
    [InlineData(1, true)]
    [InlineData(2, true)]
    public void Spoofed_packets_end_at_the_host(int reversePathFilter, bool forwarding)
    {
        using Site site = new(2, new TopologyOptions { ReversePathFilter = reversePathFilter, Transit = true });
        if (!forwarding)
        {
            site.Host.Sysctl("net/ipv4/ip_forward", "0");
        }
        else
        {
            // Written after the ADD, it overrides the setting of each device.
            site.Host.Sysctl("net/ipv4/ip_forward", "1");
        }

        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface);
        using PacketSocket transit = PacketSocket.Open(site.Topology.Transit!, "eth0");
        using PacketSocket other = PacketSocket.Open(site.C2.Place, "eth0", frame => !frame.Outgoing);
        using RawSocket host = RawSocket.Open(site.Host, Frames.ProtocolUdp);
        using PacketSocket c1 = PacketSocket.Open(site.C1.Place, "eth0");
        IPEndPoint[] sources =
        [
            new(IPAddress.Parse("10.77.0.99"), site.C1.Port), new(site.OutAddress, site.C1.Port), new(site.Topology.RoutedAddress, site.C1.Port),
            new(site.Topology.TransitAddress, site.C1.Port), new(IPAddress.Parse("127.0.0.2"), site.C1.Port),
            site.AtHost(site.C2.Port), site.AtHost(Site.UnownedPort), new(IPAddress.Loopback, Site.UnownedPort),
        ];
        IPEndPoint[] targets =
        [
            site.AtOut(), new(site.Topology.RoutedAddress, Site.ServerPort), new(site.Topology.TransitAddress, Site.ServerPort),
            site.AtHost(Site.ServerPort), new(IPAddress.Loopback, Site.ServerPort), site.AtHost(site.C2.Port),
            new(IPAddress.Broadcast, Site.ServerPort), new(IPAddress.Parse("10.77.0.255"), Site.ServerPort), IPEndPoint.Parse("224.0.0.1:7007"),
        ];
        List<(string Name, Mark Mark)> sent = [];
        foreach (IPEndPoint source in sources)
        {
            foreach (IPEndPoint target in targets)
            {
                Mark mark = new();
                sent.Add(($"{source} -> {target}", mark));
                byte[] packet = Frames.Udp(source, target, mark.Bytes);
                c1.Send(site.ToHost(packet));
                c1.Send(Frames.Ethernet(MacAddress.Broadcast, site.Topology.HostMac, Frames.EtherTypeIPv4, packet));
                c1.Send(site.ToOut(packet));
            }
        }

        foreach (IPEndPoint target in new[] { site.AtOut(), new(site.Topology.TransitAddress, Site.ServerPort), })
        {
            Mark mark = new();
            sent.Add(($"127.0.0.1 with an owned port -> {target}", mark));
            c1.Send(site.ToOut(Frames.Udp(new(IPAddress.Loopback, site.C1.Port), target, mark.Bytes)));
        }

        Mark foreignMac = new();
        sent.Add(("a foreign Ethernet source", foreignMac));
        c1.Send(Frames.Ethernet(
            site.Topology.OutMac, MacAddress.Parse("02:00:00:00:00:99"), Frames.EtherTypeIPv4, Frames.Udp(site.AtHost(site.C1.Port), site.AtOut(), foreignMac.Bytes)));
        AssertDropped(site, c1, wire, transit, other, host, sent);
    }

    /// <summary>
    /// The kernel takes a packet without a source address to 255.255.255.255 or 224.0.0.x before it validates any source
    /// (so that BOOTP works), hence only the filter that drops what no other matched keeps it from the host's sockets.
    /// </summary>
    [Fact]
    public void A_broadcast_without_a_source_address_reaches_nobody()
    {
        using Site site = new(2, new TopologyOptions { Transit = true });
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface);
        using PacketSocket transit = PacketSocket.Open(site.Topology.Transit!, "eth0");
        using PacketSocket other = PacketSocket.Open(site.C2.Place, "eth0", frame => !frame.Outgoing);
        using RawSocket host = RawSocket.Open(site.Host, Frames.ProtocolUdp);
        using PacketSocket c1 = PacketSocket.Open(site.C1.Place, "eth0");
        Mark mark = new();
        foreach (IPAddress target in new[] { IPAddress.Broadcast, IPAddress.Parse("224.0.0.1"), site.OutAddress, site.HostAddress })
        {
            byte[] packet = Frames.Udp(new(IPAddress.Any, site.C1.Port), new(target, site.C2.Port), mark.Bytes);
            c1.Send(Frames.Ethernet(MacAddress.Broadcast, site.Topology.HostMac, Frames.EtherTypeIPv4, packet));
        }

        Mark last = new();
        c1.Send(site.ToOut(Frames.Udp(site.AtHost(site.C1.Port), site.AtOut(), last.Bytes)));
        c1.Send(site.ToHost(Frames.Udp(site.AtHost(site.C1.Port), site.AtHost(site.C2.Port), last.Bytes)));
        Assert.NotNull(wire.WaitFor(last.In));
        Assert.NotNull(other.WaitFor(last.In));
        site.AssertQuiet();
        Assert.False(mark.Seen(wire) || mark.Seen(transit) || mark.Seen(other));
        Assert.DoesNotContain(host.Packets, packet => mark.In(packet));
    }

    [Fact]
    public void Icmp_that_is_not_a_containers_to_send_ends_at_the_host()
    {
        using Site site = new(2);
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface);
        using PacketSocket other = PacketSocket.Open(site.C2.Place, "eth0", frame => !frame.Outgoing);
        using RawSocket host = RawSocket.Open(site.Host, Frames.ProtocolIcmp);
        using RawSocket hostUdp = RawSocket.Open(site.Host, Frames.ProtocolUdp);
        using PacketSocket c1 = PacketSocket.Open(site.C1.Place, "eth0");
        List<(string Name, Mark Mark)> sent = [];
        foreach (IPAddress target in new[] { site.OutAddress, site.HostAddress, IPAddress.Loopback })
        {
            // Echo reply, redirect, router advertisement, timestamp request and reply, address mask request.
            foreach (byte type in new byte[] { 0, 5, 9, 13, 14, 17 })
            {
                Mark mark = new();
                sent.Add(($"ICMP {type} -> {target}", mark));
                c1.Send(site.ToOut(Frames.IPv4(site.HostAddress, target, Frames.ProtocolIcmp, Frames.Icmp(type, 0, 0, mark.Bytes))));
                c1.Send(site.ToHost(Frames.IPv4(site.HostAddress, target, Frames.ProtocolIcmp, Frames.Icmp(type, 0, 0, mark.Bytes))));
            }

            // Errors about what others sent to somebody else: C2's flow, the host's flow.
            foreach (byte type in new byte[] { 3, 11, 12 })
            {
                foreach (int port in new[] { site.C2.Port, Site.ServerPort })
                {
                    Mark mark = new();
                    sent.Add(($"ICMP error {type} about port {port} -> {target}", mark));
                    byte[] about = Frames.Udp(new(target, port), site.AtOut(), []);
                    byte[] error = Frames.IPv4(site.HostAddress, target, Frames.ProtocolIcmp, Frames.Icmp(type, 0, 0, [.. about, .. mark.Bytes]));
                    c1.Send(site.ToOut(error));
                    c1.Send(site.ToHost(error));
                }
            }
        }

        foreach (byte protocol in new byte[] { 2, 4, 41, 47, 50, 89 })
        {
            Mark mark = new();
            sent.Add(($"protocol {protocol}", mark));
            c1.Send(site.ToOut(Frames.IPv4(site.HostAddress, site.OutAddress, protocol, [.. PortBytes(site.C1.Port, 7007), .. mark.Bytes])));
        }

        AssertDropped(site, c1, wire, null, other, hostUdp, sent, host);
    }

    [Fact]
    public void A_container_speaks_arp_only_in_the_name_of_the_shared_address()
    {
        using Site site = new(1);
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface, frame => frame.View.IsArp);
        using PacketSocket c1 = PacketSocket.Open(site.C1.Place, "eth0");
        MacAddress own = site.Topology.HostMac;
        MacAddress foreign = MacAddress.Parse("02:00:00:00:00:99");
        IPAddress Target(int number) => IPAddress.Parse($"10.77.0.{number}");
        void Send(MacAddress ethernet, ushort operation, MacAddress mac, IPAddress sender, IPAddress target) =>
            c1.Send(Frames.Ethernet(MacAddress.Broadcast, ethernet, Frames.EtherTypeArp, Frames.Arp(operation, mac, sender, default, target)));

        Send(own, 1, own, Target(50), Target(201)); // a foreign address
        Send(own, 1, foreign, site.HostAddress, Target(202)); // a foreign MAC for the shared address
        Send(foreign, 1, own, site.HostAddress, Target(203)); // a foreign Ethernet source
        Send(own, 1, own, site.OutAddress, site.OutAddress); // the gateway, as a gratuitous request
        Send(own, 2, own, site.OutAddress, site.OutAddress); // the gateway, as a gratuitous reply
        Send(own, 2, own, site.HostAddress, Target(204)); // nobody asked
        Send(own, 1, own, site.HostAddress, Target(205)); // rightful
        Assert.NotNull(wire.WaitFor(frame => Target(205).Equals(frame.View.Destination)));
        CapturedFrame[] wrong =
        [
            .. wire.Frames.Where(frame => !frame.Outgoing
                && (frame.View.ArpOperation != 1 || frame.View.SourceMac != own || !site.HostAddress.Equals(frame.View.Source)
                    || new[] { 201, 202, 203, 204 }.Any(number => Target(number).Equals(frame.View.Destination)))),
        ];
        Assert.Empty(wrong);
        Assert.DoesNotContain(site.Topology.HostMac.ToString(), site.Host.Ip($"neighbour show {site.OutAddress}"), StringComparison.Ordinal);
        site.AssertQuiet();
    }

    private static byte[] PortBytes(int source, int destination) =>
        [(byte)(source >> 8), (byte)source, (byte)(destination >> 8), (byte)destination];

    /// <summary>
    /// After the packets in question rightful ones go the same ways: once those have come, the others would have.
    /// </summary>
    private static void AssertDropped(Site site, PacketSocket c1, PacketSocket wire, PacketSocket? transit, PacketSocket other, RawSocket hostUdp,
        IEnumerable<(string Name, Mark Mark)> sent, RawSocket? hostIcmp = null)
    {
        Mark last = new();
        c1.Send(site.ToOut(Frames.Udp(site.AtHost(site.C1.Port), site.AtOut(), last.Bytes)));
        c1.Send(site.ToHost(Frames.Udp(site.AtHost(site.C1.Port), site.AtHost(Site.ServerPort), last.Bytes)));
        c1.Send(site.ToHost(Frames.Udp(site.AtHost(site.C1.Port), site.AtHost(site.C2.Port), last.Bytes)));
        Assert.NotNull(wire.WaitFor(last.In));
        Assert.NotNull(other.WaitFor(last.In));
        Assert.True(hostUdp.WaitFor(last.In));
        site.AssertQuiet();
        List<string> leaks = [];
        foreach ((string name, Mark mark) in sent)
        {
            string[] where =
            [
                .. mark.Seen(wire) ? ["the wire"] : Array.Empty<string>(),
                .. transit is not null && mark.Seen(transit) ? ["the transit network"] : Array.Empty<string>(),
                .. mark.Seen(other) ? ["another container"] : Array.Empty<string>(),
                .. mark.Seen(hostUdp) || (hostIcmp is not null && mark.Seen(hostIcmp)) ? ["the host's sockets"] : Array.Empty<string>(),
            ];
            leaks.AddRange(where.Select(place => $"{name} reached {place}"));
        }

        Assert.True(leaks.Count == 0, string.Join('\n', leaks));
    }
}
