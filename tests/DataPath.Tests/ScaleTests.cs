namespace CniIsolator.DataPath.Tests;

public sealed class ScaleTests
{
    private static NetworkConfig Many(NetworkConfig config) =>
        (config with { EphemeralPorts = "16384-30719" }).With("ephemeralPortsPerContainer", 64);

    [Fact]
    public async Task Sixty_four_containers_all_reach_the_outside_and_are_reached()
    {
        using Site site = new(64, vary: Many);
        using EchoServer outside = EchoServer.Start(site.Out, Transport.Tcp, site.OutAddress, Site.ServerPort);
        foreach (Container container in site.Containers)
        {
            ProbeResult outward = await Probe.RunAsync(container.Place, Transport.Tcp, outside.EndPoint);
            Assert.True(outward.Ok, $"{container.Id} -> OUT: {outward}");
            using EchoServer inside = EchoServer.Start(container.Place, Transport.Tcp, IPAddress.Any, container.Port);
            ProbeResult inward = await Probe.RunAsync(site.Out, Transport.Tcp, site.AtHost(container.Port));
            Assert.True(inward.Ok, $"OUT -> {container.Id}: {inward}");
        }

        site.AssertQuiet();
    }

    [Fact]
    public async Task Two_hundred_containers_come_and_go()
    {
        using Site site = new(0, vary: Many);

        // The zeros that a loopback begins with cannot be put back; any other address can.
        site.Host.Ip("link set lo address 02:00:00:00:00:01");
        KernelState before = KernelState.Snapshot(site.Host);
        for (int number = 0; number < 200; number++)
        {
            site.Add(31000 + number);
        }

        using (PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface, frame => frame.View.ArpOperation == 2 && !frame.Outgoing))
        {
            IPAddress asker = IPAddress.Parse("10.77.0.10");
            wire.Send(Frames.Ethernet(
                MacAddress.Broadcast, site.Topology.OutMac, Frames.EtherTypeArp, Frames.Arp(1, site.Topology.OutMac, asker, default, site.HostAddress)));
            Assert.NotNull(wire.WaitFor(frame => asker.Equals(frame.View.Destination)));
            site.AssertQuiet();
            Assert.Single(wire.Frames, frame => asker.Equals(frame.View.Destination));
        }

        Assert.Equal(new PingResult(3, 3, 0), await Ping.SendAsync(site.Out, site.HostAddress));
        using EchoServer outside = EchoServer.Start(site.Out, Transport.Tcp, site.OutAddress, Site.ServerPort);
        foreach (Container container in new[] { site.Containers[0], site.Containers[100], site.Containers[199] })
        {
            Assert.Equal(new PingResult(3, 3, 0), await Ping.SendAsync(container.Place, site.OutAddress));
            Assert.True((await Probe.RunAsync(container.Place, Transport.Tcp, outside.EndPoint)).Ok);
            using EchoServer inside = EchoServer.Start(container.Place, Transport.Udp, IPAddress.Any, container.Port);
            Assert.True((await Probe.RunAsync(site.Out, Transport.Udp, site.AtHost(container.Port))).Ok);
        }

        foreach (Container container in site.Containers)
        {
            site.Plugin.Del(container.Place, container.Id).Require();
        }

        Assert.Equal("", before.Diff(KernelState.Snapshot(site.Host)));
        site.AssertQuiet();
    }
}
