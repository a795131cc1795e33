using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>As many packets as a container can send, and as many listeners as it can have: others go on.</summary>
public sealed class FloodTests
{
    private const int Packets = 20_000;

    [Theory]
    [InlineData("ARP requests")]
    [InlineData("pings")]
    [InlineData("forged frames")]
    [InlineData("datagrams to the neighbour")]
    public async Task The_neighbour_and_the_host_go_on_and_silence_follows(string kind)
    {
        using Site site = new(2);
        using Bystanders bystanders = new(site);
        using PacketSocket c1 = PacketSocket.Open(site.C1.Place, "eth0", _ => false);
        byte[] frame = kind switch
        {
            "ARP requests" => Frames.Ethernet(
                MacAddress.Broadcast, site.Topology.HostMac, Frames.EtherTypeArp, Frames.Arp(1, site.Topology.HostMac, site.HostAddress, default, site.OutAddress)),
            "pings" => site.ToOut(Frames.IPv4(site.HostAddress, site.OutAddress, Frames.ProtocolIcmp, Frames.IcmpEcho(8, 1, 1, new byte[56]))),
            "forged frames" => site.ToOut(Frames.Udp(site.AtHost(site.C2.Port), site.AtOut(), new byte[56])),
            _ => site.ToHost(Frames.Udp(site.AtHost(site.C1.Port), site.AtHost(site.C2.Port), new byte[56])),
        };
        Task flood = Task.Run(() =>
        {
            for (int count = 0; count < Packets; count++)
            {
                c1.TrySend(frame);
            }
        });
        do
        {
            bystanders.AssertAlive();
        }
        while (!flood.IsCompleted);

        await flood;
        bystanders.AssertAlive();
        site.AssertQuiet();
        bystanders.AssertUnharmed();
    }

    [Fact]
    public void A_fanout_group_of_the_container_shares_nothing_with_one_of_the_host_that_has_its_number()
    {
        const ushort Group = 7;
        using Site site = new(2);
        site.C1.Place.Ip("link set eth0 promisc on");
        using PacketSocket host = PacketSocket.Open(site.Host, "eth0", frame => !frame.Outgoing);
        using PacketSocket first = PacketSocket.Open(site.C1.Place, "eth0", frame => !frame.Outgoing);
        using PacketSocket second = PacketSocket.Open(site.C1.Place, "eth0", frame => !frame.Outgoing);
        host.JoinFanout(Group);
        first.JoinFanout(Group);
        second.JoinFanout(Group);
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface, _ => false);
        Mark others = new();
        Mark own = new();
        for (int count = 0; count < 50; count++)
        {
            wire.Send(site.FromOut(Frames.Udp(site.AtOut(10_000 + count), site.AtHost(site.C2.Port), others.Bytes)));
            wire.Send(site.FromOut(Frames.Udp(site.AtOut(10_000 + count), site.AtHost(Site.ServerPort), others.Bytes)));
            wire.Send(site.FromOut(Frames.Udp(site.AtOut(10_000 + count), site.AtHost(site.C1.Port), own.Bytes)));
        }

        Wait.Until(() => first.Frames.Count(own.In) + second.Frames.Count(own.In) == 50, "the container's own");
        Wait.Until(() => host.Frames.Count(others.In) == 100 && host.Frames.Count(own.In) == 50, "all of them on the host");
        Assert.False(others.Seen(first) || others.Seen(second));
    }
}
