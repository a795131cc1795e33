namespace CniIsolator.DataPath.Tests;

/// <summary>A container may have tunnels by UDP from a port of its own: the checksum that is left to others is then that of the packet inside.</summary>
public sealed class TunnelTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_connection_inside_of_VXLAN_carries_data(bool kernelTypes)
    {
        using Site site = new(1, kernelTypes: kernelTypes);
        int port = site.C1.Port;
        site.C1.Place.IpBatch(
            $"link add inner0 type vxlan id 5 remote {site.OutAddress} dstport {port} srcport {port} {port + 1} dev eth0",
            "address add 192.168.9.1/24 dev inner0",
            "link set inner0 up");
        site.Out.IpBatch(
            $"link add inner0 type vxlan id 5 remote {site.HostAddress} dstport {port} dev {Topology.OutInterface}",
            "address add 192.168.9.2/24 dev inner0",
            "link set inner0 up");
        foreach (Transport transport in Enum.GetValues<Transport>())
        {
            using EchoServer server = EchoServer.Start(site.Out, transport, IPAddress.Parse("192.168.9.2"), Site.ServerPort);
            ProbeResult result = await Probe.RunAsync(site.C1.Place, transport, server.EndPoint);
            Assert.True(result.Ok, $"{transport}: {result}");
        }
    }
}
