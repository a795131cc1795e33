namespace CniIsolator.FullKernel.Tests;

/// <summary>The plugin does on another kernel, and one without a JIT for BPF, what it does on the machine's own.</summary>
public sealed class AttachmentTests
{
    [Fact]
    public async Task One_container_comes_talks_and_goes()
    {
        using Site site = new();
        Container container = site.Add(31000);
        site.Check(container);
        foreach (Transport transport in Enum.GetValues<Transport>())
        {
            await site.AssertReachableAsync(container, transport);
            await site.AssertReachesOutAsync(container.Place, transport);
        }

        Assert.Equal(new PingResult(3, 3, 0), await Ping.SendAsync(container.Place, site.Topology.OutAddress));
        Assert.True(Softirq.WaitForQuiet(site.Topology), "packets keep running after the test");
        site.Delete(container);
        site.AssertClean();
    }

    [Fact]
    public async Task Forty_containers_come_are_reached_and_go()
    {
        using Site site = new(config => config.With("ephemeralPortsPerContainer", 128));
        for (int number = 0; number < 40; number++)
        {
            site.Add(31000 + number);
        }

        foreach (Container container in site.Containers)
        {
            site.Check(container);
            await site.AssertReachableAsync(container, Transport.Udp);
        }

        await site.AssertReachableAsync(site.Containers[39], Transport.Tcp);
        foreach (Container container in site.Containers.ToArray())
        {
            site.Delete(container);
        }

        site.AssertClean();
    }
}
