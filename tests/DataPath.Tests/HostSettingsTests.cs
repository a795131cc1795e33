namespace CniIsolator.DataPath.Tests;

/// <summary>Which settings of the host the data path needs, and which it leaves alone.</summary>
public sealed class HostSettingsTests
{
    [Theory]
    [InlineData("accept_local", "10.77.0.2")]
    [InlineData("route_localnet", "127.0.0.1")]
    public async Task Without_the_setting_of_the_hosts_loopback_a_container_does_not_reach_the_host(string setting, string address)
    {
        using Site site = new(1);
        string name = $"net/ipv4/conf/lo/{setting}";
        using EchoServer server = EchoServer.Start(site.Host, Transport.Udp, IPAddress.Any, Site.ServerPort);
        IPEndPoint target = new(IPAddress.Parse(address), Site.ServerPort);
        Assert.Equal("1", site.Host.Sysctl(name));
        Assert.True((await Probe.RunAsync(site.C1.Place, Transport.Udp, target)).Ok);
        site.Host.Sysctl(name, "0");
        Assert.Equal(ProbeOutcome.Timeout, (await Probe.RunAsync(site.C1.Place, Transport.Udp, target, ProbeOptions.Hopeless)).Outcome);
        site.Host.Sysctl(name, "1");
        Assert.True((await Probe.RunAsync(site.C1.Place, Transport.Udp, target)).Ok);
    }

    [Theory]
    [InlineData(0, "0")]
    [InlineData(1, "1")]
    [InlineData(2, "0")]
    public void Reverse_path_filter_and_forwarding_of_the_host_stay(int reversePathFilter, string forward)
    {
        using Topology topology = new(new TopologyOptions { ReversePathFilter = reversePathFilter });
        topology.Host.Sysctl("net/ipv4/ip_forward", forward);
        string[] names =
        [
            "net/ipv4/ip_forward", "net/ipv4/conf/all/accept_local", "net/ipv4/conf/all/route_localnet", "net/ipv4/conf/eth0/route_localnet",
            "net/ipv4/conf/eth0/accept_local",
            .. from scope in new[] { "all", "default", "lo", "eth0" } select $"net/ipv4/conf/{scope}/rp_filter",
        ];
        string[] Read() => [.. names.Select(name => $"{name}={topology.Host.Sysctl(name)}")];
        string[] before = Read();
        Plugin plugin = new(topology);
        Namespace container = topology.AddContainerNamespace();
        plugin.Add(container, "c1").Require();
        Assert.Equal(before, Read());
        plugin.Del(container, "c1").Require();
        Assert.Equal(before, Read());
    }
}
