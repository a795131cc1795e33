using System.Net;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>With `hostLoopback: deny` nothing that listens on the host's 127.x.x.x is reachable for a container, by whatever way.</summary>
public sealed class HostLoopbackTests
{
    private static readonly IPAddress Second = IPAddress.Parse("127.0.0.2");

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task No_packet_reaches_the_host_s_loopback(bool careless)
    {
        using Site site = new(2, new TopologyOptions { ReversePathFilter = careless ? 0 : 2 }, config => config.With("hostLoopback", "deny"));
        if (careless)
        {
            // As kube-proxy and others set it.
            site.Host.Sysctls(("net/ipv4/conf/all/accept_local", "1"), ("net/ipv4/conf/all/route_localnet", "1"), ("net/ipv4/conf/lo/route_localnet", "1"));
        }

        using EchoServer tcp = EchoServer.Start(site.Host, Transport.Tcp, IPAddress.Loopback, Site.ServerPort);
        using EchoServer udp = EchoServer.Start(site.Host, Transport.Udp, IPAddress.Loopback, Site.ServerPort);
        using EchoServer second = EchoServer.Start(site.Host, Transport.Udp, Second, Site.ServerPort);
        using EchoServer open = EchoServer.Start(site.Host, Transport.Udp, site.HostAddress, Site.ServerPort + 1);
        Assert.True((await Probe.RunAsync(site.Host, Transport.Udp, second.EndPoint)).Ok);

        // As it is, and after the container's root has led 127.0.0.0/8 out by its interface.
        for (int attempt = 0; attempt < 2; attempt++)
        {
            foreach (IPAddress target in new[] { IPAddress.Loopback, Second, site.HostAddress })
            {
                foreach (Transport transport in Enum.GetValues<Transport>())
                {
                    ProbeResult result = await Probe.RunAsync(site.C1.Place, transport, new(target, Site.ServerPort), ProbeOptions.Hopeless);
                    Assert.False(result.Ok, $"{transport} to {target}: {result}");
                }
            }

            Assert.True((await Probe.RunAsync(site.C1.Place, Transport.Udp, open.EndPoint)).Ok);
            if (attempt == 0)
            {
                site.C1.Place.Sysctls(("net/ipv4/conf/all/route_localnet", "1"), ("net/ipv4/conf/eth0/route_localnet", "1"));
                site.C1.Place.IpBatch("route del table local 127.0.0.0/8 dev lo", "route del table local 127.0.0.1 dev lo", "route add 127.0.0.0/8 via 10.77.0.1 dev eth0 src 10.77.0.2");
                site.C1.Place.Tc("qdisc del dev eth0 clsact");
            }
        }

        using PacketSocket lo = PacketSocket.Open(site.Host, "lo", frame => !frame.Outgoing);
        using RawSocket host = RawSocket.Open(site.Host, Frames.ProtocolUdp);
        using RawSocket icmp = RawSocket.Open(site.Host, Frames.ProtocolIcmp);
        using PacketSocket c1 = PacketSocket.Open(site.C1.Place, "eth0");
        List<(string Name, Mark Mark)> sent = [];
        foreach (IPAddress target in new[] { IPAddress.Loopback, Second, IPAddress.Parse("127.255.255.254") })
        {
            foreach (IPEndPoint source in new IPEndPoint[] { site.AtHost(site.C1.Port), new(IPAddress.Loopback, site.C1.Port), new(Second, site.C1.Port), new(site.OutAddress, site.C1.Port), new(IPAddress.Any, site.C1.Port) })
            {
                Mark mark = new();
                sent.Add(($"{source} -> {target}", mark));
                IPEndPoint to = new(target, Site.ServerPort);
                List<byte[]> packets =
                [
                    Frames.Udp(source, to, mark.Bytes), Frames.Tcp(source, to, payload: mark.Bytes), Frames.Udp(source, to, mark.Bytes, options: [1, 1, 1, 1]),
                    .. Frames.Fragments(Frames.Udp(source, to, [.. mark.Bytes, .. new byte[100], .. mark.Bytes]), 64, 815),
                    Frames.IPv4(source.Address, target, Frames.ProtocolIcmp, Frames.IcmpEcho(8, 1, 1, mark.Bytes)),
                    Frames.IPv4(source.Address, target, Frames.ProtocolIcmp, Frames.Icmp(5, 1, 0x7f000001, [.. Frames.Udp(to, source, []), .. mark.Bytes])),
                    Frames.IPv4(source.Address, target, Frames.ProtocolIcmp, Frames.Icmp(3, 3, 0, [.. Frames.Udp(to, source, []), .. mark.Bytes])),
                    Frames.IPv4(source.Address, target, 4, Frames.Udp(source, to, mark.Bytes)),
                ];
                foreach (byte[] packet in packets)
                {
                    foreach (MacAddress mac in new[] { site.Topology.HostMac, site.Topology.OutMac, MacAddress.Broadcast, default })
                    {
                        c1.Send(Frames.Ethernet(mac, site.Topology.HostMac, Frames.EtherTypeIPv4, packet));
                        c1.Send(Frames.Ethernet(mac, site.Topology.HostMac, 0x8100, [0, 0, 8, 0, .. packet]));
                    }
                }
            }
        }

        Mark last = new();
        c1.Send(site.ToHost(Frames.Udp(site.AtHost(site.C1.Port), open.EndPoint, last.Bytes)));
        Assert.True(host.WaitFor(last.In));
        site.AssertQuiet();
        string[] reached = [.. sent.Where(one => one.Mark.Seen(lo) || one.Mark.Seen(host) || one.Mark.Seen(icmp)).Select(one => one.Name)];
        Assert.True(reached.Length == 0, string.Join('\n', reached));
        Assert.DoesNotContain(c1.Frames, frame => !frame.Outgoing && sent.Exists(one => one.Mark.In(frame)));
    }

    /// <summary>A loose or a strict source route could name 127.0.0.1 as the last hop behind the shared address.</summary>
    [Theory]
    [InlineData(0x83)]
    [InlineData(0x89)]
    public void A_source_route_does_not_lead_to_the_host_s_loopback(byte option)
    {
        using Site site = new(1, vary: config => config.With("hostLoopback", "deny"));
        using RawSocket host = RawSocket.Open(site.Host, Frames.ProtocolUdp);
        using PacketSocket c1 = PacketSocket.Open(site.C1.Place, "eth0");
        Mark mark = new();
        c1.Send(site.ToHost(Frames.Udp(site.AtHost(site.C1.Port), site.AtHost(Site.ServerPort), mark.Bytes, options: [option, 7, 4, 127, 0, 0, 1, 0])));
        Mark last = new();
        c1.Send(site.ToHost(Frames.Udp(site.AtHost(site.C1.Port), site.AtHost(Site.ServerPort), last.Bytes)));
        Assert.True(host.WaitFor(last.In));
        Assert.False(mark.Seen(host));
        site.AssertQuiet();
    }
}
