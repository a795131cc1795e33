using System.Text.Json.Nodes;

namespace CniIsolator.FullKernel.Tests;

/// <summary>The complete configuration as it is shipped, with everything that it asks for.</summary>
public sealed class CompleteConfigurationTests
{
    private const int Count = 40;
    private const long Rate = 37_500 * 1024;

    [Fact]
    public async Task Forty_containers_come_are_shaped_and_go()
    {
        // Half the size of the file's slices: its pool has 24 of those.
        using Site site = new(Complete, host => host.Sysctl("net/ipv4/ip_local_port_range", "57344 60999"), "EPHEMERAL_PORTS=512");
        for (int number = 0; number < Count; number++)
        {
            site.Add(31000 + number);
        }

        Assert.Equal("fq_codel 706d: root", Assert.Single(TrafficControl.Qdiscs(site.Host, site.Master)).ToString());
        Assert.Equal(Enumerable.Range(1, Count + 2), TrafficControl.FlowMatches(site.Host, site.Master).Keys.Order());
        foreach (Container container in site.Containers)
        {
            ShapingTests.AssertShape(container.Place, Site.ContainerEnd, Rate, Rate);
            Assert.Empty(TrafficControl.Qdiscs(site.Host, container.HostEnd));
            site.Check(container);
            await site.AssertReachableAsync(container, Transport.Udp);
        }

        await site.AssertReachesOutAsync(site.Containers[Count - 1].Place, Transport.Tcp);
        Assert.DoesNotContain(" WRN ", site.Log, StringComparison.Ordinal);
        foreach (Container container in site.Containers.ToArray())
        {
            site.Delete(container);
        }

        Assert.DoesNotContain("fq_codel", site.Host.Tc("qdisc show"), StringComparison.Ordinal);
        site.AssertClean();
    }

    /// <summary>Every key of the file, and what a test adds to it: where the store and the log are.</summary>
    private static NetworkConfig Complete(NetworkConfig config)
    {
        JsonNode file = JsonNode.Parse(File.ReadAllText(Path.Combine(Repository.Root, "conf", "20-portmap-isolate-complete.conflist")))!;
        config = config with { CniVersion = (string)file["cniVersion"]!, Name = (string)file["name"]!, Master = null };
        foreach ((string key, JsonNode? value) in file["plugins"]![0]!.AsObject().Where(one => one.Key != "capabilities"))
        {
            config = config.With(key, value);
        }

        return config;
    }
}
