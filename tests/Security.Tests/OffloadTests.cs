using System.Net;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>
/// Frames of a container's packet socket whose checksums and segments are left to whoever sends them on: that happens behind all filters, and
/// must not make other packets of them than the filters have seen.
/// </summary>
public sealed class OffloadTests
{
    private const int Header = 34;
    private const int TcpChecksum = 16;
    private const int UdpChecksum = 6;

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [InlineData(true, false)]
    public void A_checksum_at_the_place_of_a_port_or_an_address_leaves_nothing_else_than_was_policed(bool hardware, bool kernelTypes)
    {
        using Site site = new(2, kernelTypes: kernelTypes);
        if (!hardware)
        {
            DeviceFeatures.TakeOffloadsAway(site.Host, "eth0");
        }

        using Bystanders bystanders = new(site);
        using Sniffers sniffers = new(site);
        using OffloadSocket c1 = OffloadSocket.Open(site.C1.Place, "eth0");
        if (!kernelTypes)
        {
            // As it is made, its interface finishes every frame, and the filters see what leaves.
            DeviceFeatures.LeaveChecksums(site.C1.Place, "eth0");
        }

        List<(string Name, Mark Mark)> sent = [];
        IPEndPoint own = site.AtHost(site.C1.Port);
        foreach ((string name, Func<IPEndPoint, Mark, byte[]> packet, int most) in new (string, Func<IPEndPoint, Mark, byte[]>, int)[]
                 {
                     ("UDP", (to, mark) => Frames.Udp(own, to, mark.Bytes), Header + UdpChecksum),
                     ("TCP", (to, mark) => Frames.Tcp(own, to, payload: mark.Bytes), Header + TcpChecksum),
                     ("SCTP", (to, mark) => Frames.IPv4(own.Address, to.Address, 132, [.. Ports(own.Port, to.Port), .. new byte[8], .. mark.Bytes]), Header + 8),
                     ("ICMP", (to, mark) => Frames.IPv4(own.Address, to.Address, 1, Frames.Icmp(3, 3, 0, [.. Frames.Udp(to, own, []), .. mark.Bytes])), Header + 40),
                     ("UDP with options", (to, mark) => Frames.Udp(own, to, mark.Bytes, options: [1, 1, 1, 1]), Header + 4 + UdpChecksum),
                     ("a first fragment", (to, mark) => Frames.IPv4(own.Address, to.Address, 17, Frames.Udp(own, to, [.. mark.Bytes, .. mark.Bytes]).AsSpan(20), moreFragments: true), Header + UdpChecksum),
                 })
        {
            for (int place = 0; place < most; place++)
            {
                foreach (int start in new[] { place, Math.Max(0, place - 2), 14, 26 }.Where(start => start <= place).Distinct())
                {
                    Offload offload = new(start, place - start);
                    Mark mark = new();
                    sent.Add(($"{name}, checksum from {start} at {place}", mark));
                    c1.TrySend(site.ToOut(packet(site.AtOut(), mark)), offload);
                    c1.TrySend(site.ToHost(packet(site.AtHost(Site.ServerPort), mark)), offload);
                    c1.TrySend(site.ToHost(packet(site.AtHost(site.C2.Port), mark)), offload);
                }
            }
        }

        for (int place = 0; place < 60; place++)
        {
            Mark mark = new();
            sent.Add(($"ARP, checksum at {place}", mark));
            c1.TrySend(Frames.Ethernet(MacAddress.Broadcast, site.Topology.HostMac, Frames.EtherTypeArp,
                [.. Frames.Arp(1, site.Topology.HostMac, site.HostAddress, default, site.OutAddress), .. new byte[10], .. mark.Bytes]), new Offload(place, 0));
        }

        // Those that are as they should be.
        if (!kernelTypes)
        {
            DeviceFeatures.TakeOffloadsAway(site.C1.Place, "eth0");
        }

        Mark last = new();
        Assert.True(c1.TrySend(site.ToOut(Frames.Udp(own, site.AtOut(), last.Bytes)), new Offload(Header, UdpChecksum)));
        Assert.True(c1.TrySend(site.ToHost(Frames.Udp(own, site.AtHost(Site.ServerPort), last.Bytes)), new Offload(Header, UdpChecksum)));
        Assert.True(c1.TrySend(site.ToHost(Frames.Udp(own, site.AtHost(site.C2.Port), last.Bytes)), new Offload(Header, UdpChecksum)));
        sniffers.WaitFor(last, Places.Wire | Places.Host | Places.Neighbour);
        Mark tcp = new();
        Assert.True(c1.TrySend(site.ToOut(Frames.Tcp(own, site.AtOut(), payload: tcp.Bytes)), new Offload(Header, TcpChecksum)));
        sniffers.WaitFor(tcp, Places.Wire);
        site.AssertQuiet();
        string[] wrong = [.. sent.Select(one => (one.Name, Seen: sniffers.Seen(one.Mark))).Where(one => one.Seen != Places.None).Select(one => $"{one.Name}: seen {one.Seen}")];
        Assert.True(wrong.Length == 0, $"{wrong.Length} of {sent.Count}:\n{string.Join('\n', wrong)}");
        bystanders.AssertUnharmed();
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public void Of_large_frames_come_segments_from_owned_ports_only(bool hardware, bool kernelTypes)
    {
        using Site site = new(2, kernelTypes: kernelTypes);
        if (!hardware)
        {
            DeviceFeatures.TakeOffloadsAway(site.Host, "eth0");
        }

        using Bystanders bystanders = new(site);
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface, frame => !frame.Outgoing && frame.View.IsIPv4);
        using OffloadSocket c1 = OffloadSocket.Open(site.C1.Place, "eth0");
        Mark mark = new();
        byte[] payload = [.. Enumerable.Repeat(mark.Bytes, 2000).SelectMany(bytes => bytes)];
        int accepted = 0;
        foreach (int port in new[] { site.C1.Port, site.C1.SliceBegin, site.C2.Port, site.C2.SliceBegin, Site.ServerPort, 0 })
        {
            byte[] tcp = Frames.Tcp(site.AtHost(port), site.AtOut(), flags: Frames.TcpAckFlag, payload: payload);
            byte[] udp = Frames.Udp(site.AtHost(port), site.AtOut(), payload);
            foreach (int size in new[] { 1, 8, 500, 1460, 9000, 65535 })
            {
                foreach (int header in new[] { 0, 14, 34, 54, 200 })
                {
                    accepted += c1.TrySend(site.ToOut(tcp), new Offload(Header, TcpChecksum, 1, size, header)) ? 1 : 0;
                    accepted += c1.TrySend(site.ToOut(udp), new Offload(Header, UdpChecksum, 5, size, header)) ? 1 : 0;
                    accepted += c1.TrySend(site.ToOut(tcp), new Offload(Header, 0, 1, size, header)) ? 1 : 0;
                    accepted += c1.TrySend(site.ToOut(tcp), new Offload(Header + 20, TcpChecksum, 1, size, header)) ? 1 : 0;
                }
            }
        }

        Assert.True(accepted > 0);
        Assert.NotNull(wire.WaitFor(frame => mark.In(frame) && frame.View.IsTcp));
        Mark last = new();
        Assert.True(c1.TrySend(site.ToOut(Frames.Udp(site.AtHost(site.C1.Port), site.AtOut(), last.Bytes)), new Offload(Header, UdpChecksum)));
        Assert.NotNull(wire.WaitFor(last.In));
        site.AssertQuiet();
        CapturedFrame[] foreign =
        [
            .. wire.Frames.Where(mark.In).Where(frame => !frame.View.Source!.Equals(site.HostAddress) || (frame.View.SourcePort != site.C1.Port && frame.View.SourcePort != site.C1.SliceBegin)),
        ];
        Assert.True(foreign.Length == 0, string.Join('\n', foreign.Take(10).Select(frame => frame.ToString())));
        bystanders.AssertUnharmed();
    }

    private static byte[] Ports(int source, int destination) => [(byte)(source >> 8), (byte)source, (byte)(destination >> 8), (byte)destination];
}
