using System.Net.Sockets;

namespace CniIsolator.DataPath.Tests;

/// <summary>Only the first fragment has ports.</summary>
public sealed class FragmentTests
{
    private static readonly byte[] Datagram = [.. Enumerable.Range(0, 4000).Select(number => (byte)(number * 7))];

    [Theory]
    [InlineData("outside")]
    [InlineData("the host")]
    [InlineData("the host by 127.0.0.1")]
    [InlineData("itself")]
    public async Task A_container_sends_a_datagram_in_fragments(string to)
    {
        using Site site = new(2);
        (Namespace place, IPEndPoint target) = to switch
        {
            "outside" => (site.Out, site.AtOut()),
            "the host" => (site.Host, site.AtHost(Site.ServerPort)),
            "the host by 127.0.0.1" => (site.Host, new(IPAddress.Loopback, Site.ServerPort)),
            _ => (site.C1.Place, site.AtHost(site.C1.Port)),
        };
        using Socket receiver = place.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        place.Run(() => receiver.Bind(new IPEndPoint(IPAddress.Any, target.Port)));
        using Socket sender = site.C1.Place.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        await sender.SendToAsync(Datagram, target);
        byte[] buffer = new byte[8000];
        using CancellationTokenSource timer = new(Wait.Patience);
        int count = await receiver.ReceiveAsync(buffer, timer.Token);
        Assert.Equal(Datagram, buffer[..count]);
        site.AssertQuiet();
    }

    [Fact]
    public void Fragments_from_outside_do_not_come_together_the_later_ones_go_to_the_host()
    {
        using Site site = new(2);
        using RawSocket container = RawSocket.Open(site.C1.Place, Frames.ProtocolUdp);
        using RawSocket host = RawSocket.Open(site.Host, Frames.ProtocolUdp);
        using PacketSocket c1 = PacketSocket.Open(site.C1.Place, "eth0", frame => !frame.Outgoing && frame.View.IsUdp);
        using PacketSocket c2 = PacketSocket.Open(site.C2.Place, "eth0", frame => !frame.Outgoing && frame.View.IsUdp);
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface);
        Mark last = new();
        foreach (byte[] fragment in Frames.Fragments(Frames.Udp(site.AtOut(), site.AtHost(site.C1.Port), Datagram), 1400, 77))
        {
            wire.Send(site.FromOut(fragment));
        }

        wire.Send(site.FromOut(Frames.Udp(site.AtOut(), site.AtHost(site.C1.Port), last.Bytes)));
        Assert.True(container.WaitFor(last.In));
        site.AssertQuiet();
        Assert.Single(container.Packets);
        Assert.Equal([0, 0], c1.Frames.Select(frame => frame.View.FragmentOffset));
        Assert.True(c1.Frames[0].View.MoreFragments);
        Assert.Empty(c2.Frames);
        Assert.Empty(host.Packets);
        Assert.Equal("2", FragmentsAt(site.Host));
    }

    /// <summary>ReasmReqds of the namespace: fragments that came to its stack.</summary>
    private static string FragmentsAt(Namespace place)
    {
        string[][] lines = [.. place.Run(() => File.ReadAllLines("/proc/thread-self/net/snmp")).Where(line => line.StartsWith("Ip:", StringComparison.Ordinal)).Select(line => line.Split(' '))];
        return lines[1][Array.IndexOf(lines[0], "ReasmReqds")];
    }
}
