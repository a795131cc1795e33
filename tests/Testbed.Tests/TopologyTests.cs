using System.Net;

namespace CniIsolator.Testbed.Tests;

public sealed class TopologyTests
{
    [Theory]
    [InlineData(1500)]
    [InlineData(9000)]
    public async Task Host_and_outside_talk_both_ways_with_one_message_and_in_bulk(int mtu)
    {
        using Topology topology = new(new TopologyOptions { Mtu = mtu });
        foreach (Transport transport in Enum.GetValues<Transport>())
        {
            using EchoServer outside = EchoServer.Start(topology.Out, transport, topology.OutAddress, 7007);
            using EchoServer routed = EchoServer.Start(topology.Out, transport, topology.RoutedAddress, 7007);
            using EchoServer host = EchoServer.Start(topology.Host, transport, IPAddress.Any, 7007);
            foreach (ProbeOptions options in new[] { ProbeOptions.Small, ProbeOptions.Bulk with { DatagramBytes = mtu - 28 } })
            {
                ProbeResult outward = await Probe.RunAsync(topology.Host, transport, outside.EndPoint, options);
                Assert.True(outward.Ok, outward.ToString());
                Assert.Equal(topology.HostAddress, outward.Peer!.Address);
                Assert.Equal(outward.Local, outward.Peer);
                ProbeResult beyond = await Probe.RunAsync(topology.Host, transport, routed.EndPoint, options);
                Assert.True(beyond.Ok, beyond.ToString());
                ProbeResult inward = await Probe.RunAsync(topology.Out, transport, new IPEndPoint(topology.HostAddress, 7007), options with { SourcePort = 4321 });
                Assert.True(inward.Ok, inward.ToString());
                Assert.Equal(new IPEndPoint(topology.OutAddress, 4321), inward.Peer);
            }
        }

        Assert.True(Softirq.WaitForQuiet(topology));
    }

    [Fact]
    public async Task A_closed_port_refuses_and_a_black_hole_is_silent()
    {
        using Topology topology = new();
        topology.Out.Ip("route add blackhole 198.51.100.9/32");
        foreach (Transport transport in Enum.GetValues<Transport>())
        {
            Assert.Equal(ProbeOutcome.Refused, (await Probe.RunAsync(topology.Host, transport, new IPEndPoint(topology.OutAddress, 9))).Outcome);
            Assert.Equal(
                ProbeOutcome.Timeout,
                (await Probe.RunAsync(topology.Host, transport, IPEndPoint.Parse("198.51.100.9:9"), ProbeOptions.Hopeless)).Outcome);
        }
    }

    [Fact]
    public async Task Transit_traffic_passes_the_host()
    {
        using Topology topology = new(new TopologyOptions { Transit = true });
        using EchoServer server = EchoServer.Start(topology.Out, Transport.Tcp, topology.OutAddress, 7007);
        ProbeResult result = await Probe.RunAsync(topology.Transit!, Transport.Tcp, server.EndPoint);
        Assert.True(result.Ok, result.ToString());
        Assert.Equal(topology.TransitAddress, result.Peer!.Address);
    }

    [Fact]
    public async Task Ping_counts_answers_and_duplicates()
    {
        using Topology topology = new();
        Assert.Equal(new PingResult(3, 3, 0), await Ping.SendAsync(topology.Out, topology.HostAddress));
        Assert.Equal(new PingResult(3, 3, 0), await Ping.SendAsync(topology.Host, IPAddress.Loopback));
        topology.Host.Tc("qdisc add dev eth0 clsact");
        topology.Host.Tc("filter add dev eth0 egress protocol ip u32 match ip protocol 1 0xff action mirred egress mirror dev eth0");
        PingResult doubled = await Ping.SendAsync(topology.Out, topology.HostAddress);
        Assert.Equal(3, doubled.Answered);
        Assert.True(doubled.Duplicates > 0);
    }

    [Fact]
    public void The_host_has_the_settings_of_a_distribution()
    {
        using Topology topology = new(new TopologyOptions { Master = "enp3s0", ReversePathFilter = 1 });
        Assert.Equal("1", topology.Host.Sysctl("net/ipv4/conf/enp3s0/rp_filter"));
        Assert.Equal("0", topology.Host.Sysctl("net/ipv4/conf/enp3s0/accept_local"));
        Assert.Equal("32768\t60999", topology.Host.Sysctl("net/ipv4/ip_local_port_range"));
        Assert.Equal("0", topology.Host.Sysctl("net/ipv4/ip_forward"));
        Assert.Contains("via 10.77.0.1 dev enp3s0", topology.Host.Ip("route show default"), StringComparison.Ordinal);
        Namespace container = topology.AddContainerNamespace();
        Assert.DoesNotContain("UP", container.Ip("-br link show lo"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_child_process_is_in_the_namespace_and_ends_with_it()
    {
        using Namespace place = Namespace.Create("child");
        string inside = place.Run(() => File.ResolveLinkTarget("/proc/thread-self/ns/net", false)!.Name);
        Assert.Equal(inside, place.Execute("readlink", "/proc/self/ns/net").Require().Trim());
        Assert.NotEqual(inside, File.ResolveLinkTarget("/proc/self/ns/net", false)!.Name);
        System.Diagnostics.Process sleeper = place.Start("sleep", "600");
        place.Dispose();
        Assert.True(sleeper.WaitForExit(20_000));
    }

    [Fact]
    public async Task A_packet_in_a_loop_is_noticed()
    {
        using Topology topology = new();
        Assert.True(Softirq.WaitForQuiet(topology));
        foreach ((Namespace place, string device) in new[] { (topology.Host, "eth0"), (topology.Out, Topology.OutInterface) })
        {
            place.TcBatch(
                $"qdisc add dev {device} ingress",
                $"filter add dev {device} ingress protocol ip u32 match u32 0 0 action mirred egress redirect dev {device}");
        }

        await Ping.SendAsync(topology.Out, topology.HostAddress, count: 1, limit: TimeSpan.FromMilliseconds(50), window: TimeSpan.Zero);
        try
        {
            Assert.False(Softirq.WaitForQuiet(topology, TimeSpan.FromSeconds(1)));
        }
        finally
        {
            topology.Host.Tc("qdisc del dev eth0 ingress");
        }

        Assert.True(Softirq.WaitForQuiet(topology));
    }
}
