using System.Net;
using System.Net.Sockets;
using CniIsolator.Testbed;

namespace CniIsolator.Exporter.KernelTests;

/// <summary>What single port ranges received, and what is left to be given out.</summary>
public sealed class PortTests
{
    private const int Slices = 8;
    private const int SliceSize = 1024;

    // What the kernel counts at a filter: IPv4 and UDP headers, no Ethernet header.
    private const int Datagram = 100 + 28;

    [Fact]
    public async Task Traffic_is_counted_for_the_range_that_it_came_to_from_outside_and_from_the_host()
    {
        using Site site = new(options: "--port-statistics");
        Namespace container = site.Add("c1", "PORTS=31005,31010-31013");
        Namespace outside = site.Topology.Out;
        IPAddress shared = site.Topology.HostAddress;
        (int begin, int end) = site.Slice("c1");
        string slice = $"{begin}-{end}";
        foreach ((string protocol, string ports) in new[] { ("tcp", "31005"), ("udp", "31005"), ("tcp", "31010-31013"), ("udp", "31010-31013"), ("any", slice) })
        {
            Assert.Equal((protocol, ports, 0, 0), (protocol, ports, Packets(protocol, ports), Bytes(protocol, ports)));
        }

        // Each of the range, and its neighbours, which nobody owns.
        Site.Send(outside, 0, new IPEndPoint(shared, 31010), 20);
        Site.Send(outside, 0, new IPEndPoint(shared, 31013), 3);
        Site.Send(outside, 0, new IPEndPoint(shared, 31014), 5);
        Site.Send(outside, 0, new IPEndPoint(shared, 31009), 5);
        Wait.Until(() => Packets("udp", "31010-31013") >= 23, "datagrams from outside");
        Site.Send(site.Topology.Host, 0, new IPEndPoint(shared, 31011), 7);
        Site.Send(site.Topology.Host, 0, new IPEndPoint(IPAddress.Loopback, 31012), 9);
        Wait.Until(() => Packets("udp", "31010-31013") >= 39, "datagrams from the host");
        Assert.Equal((39, 39 * Datagram), (Packets("udp", "31010-31013"), Bytes("udp", "31010-31013")));
        Assert.Equal((0, 0, 0), (Packets("tcp", "31010-31013"), Packets("udp", "31005"), Packets("tcp", "31005")));

        using (EchoServer server = EchoServer.Start(container, Transport.Tcp, IPAddress.Any, 31005))
        {
            foreach (Namespace from in new[] { outside, site.Topology.Host })
            {
                int before = Bytes("tcp", "31005");
                ProbeResult probe = await Probe.RunAsync(from, Transport.Tcp, new IPEndPoint(shared, 31005), new ProbeOptions { StreamBytes = 100_000 });
                Assert.True(probe.Ok, probe.ToString());
                Assert.InRange(Bytes("tcp", "31005") - before, 100_000, 200_000);
            }
        }

        // Answers to what the container began come to its slice. Datagrams to the slice count whatever began them.
        int answered = Packets("any", slice)!.Value;
        using (EchoServer server = EchoServer.Start(outside, Transport.Udp, site.Topology.OutAddress, 7777))
        {
            ProbeResult probe = await Probe.RunAsync(container, Transport.Udp, server.EndPoint, new ProbeOptions { Datagrams = 11 });
            Assert.True(probe.Ok, probe.ToString());
        }

        Assert.Equal(answered + 12, Packets("any", slice));
        Site.Send(outside, 0, new IPEndPoint(shared, end), 4);
        Wait.Until(() => Packets("any", slice) >= answered + 16, "datagrams to the slice");
        Assert.Equal(39, Packets("udp", "31010-31013"));

        int? Packets(string protocol, string ports) => (int?)site.Metric("portmap_ports_receive_packets_total", "c1", ("protocol", protocol), ("ports", ports));

        int Bytes(string protocol, string ports) => (int)site.Metric("portmap_ports_receive_bytes_total", "c1", ("protocol", protocol), ("ports", ports))!;
    }

    [Fact]
    public void Series_follow_an_update_of_the_ports()
    {
        using Site site = new(options: "--port-statistics");
        site.Add("c1", "PORTS=31005,31010-31013");
        Site.Send(site.Topology.Out, 0, new IPEndPoint(site.Topology.HostAddress, 31005), 6);
        Wait.Until(() => Packets("31005") == 6, "datagrams before the update");
        CommandResult updated = site.Plugin.CommandLine("update", "c1", "--ports", "31005,31020/udp");
        Assert.True(updated.ExitCode == 0, updated.ToString());
        Assert.Null(Packets("31010-31013"));
        Assert.Equal((6, 0), (Packets("31005"), Packets("31020")));
        Site.Send(site.Topology.Out, 0, new IPEndPoint(site.Topology.HostAddress, 31020), 2);
        Wait.Until(() => Packets("31020") == 2, "datagrams to the new port");
        Assert.Null(site.Metric("portmap_ports_receive_packets_total", "c1", ("protocol", "tcp"), ("ports", "31020")));

        int? Packets(string ports) => (int?)site.Metric("portmap_ports_receive_packets_total", "c1", ("protocol", "udp"), ("ports", ports));
    }

    [Fact]
    public void Capacity_follows_ADD_and_DEL_and_outlives_the_last_container()
    {
        using Site site = new();
        List<Namespace> containers = [];
        for (int used = 1; used <= 3; used++)
        {
            containers.Add(site.Add($"c{used}", $"PORTS={31000 + used}"));
            Assert.Equal((Slices, Slices - used, Slices - used), Found(site));
            Assert.Equal((1001, used), (site.Capacity("portmap_ports_capacity"), site.Capacity("portmap_ports_in_use")));
        }

        // Slices are taken from the lower end: the upper half is whole.
        Assert.Equal(4 * SliceSize, site.Capacity("portmap_largest_free_slice_ports"));
        for (int used = 2; used >= 0; used--)
        {
            site.Plugin.Del(containers[used], $"c{used + 1}").Require();
            Assert.Equal((Slices, Slices - used, Slices - used), Found(site));
        }

        Assert.Equal(Slices * SliceSize, site.Capacity("portmap_largest_free_slice_ports"));
        Assert.Equal(Slices * SliceSize, site.Metric("portmap_ephemeral_ports_capacity"));
        Assert.Equal(0, site.Metric("portmap_ephemeral_ports_in_use"));
        Assert.Equal((1001, 0), (site.Capacity("portmap_ports_capacity"), site.Capacity("portmap_ports_in_use")));
    }

    [Fact]
    public void A_slice_in_which_a_process_of_the_host_listens_is_not_there_to_be_given_out()
    {
        using Site site = new();
        site.Add("c1");
        Assert.Equal((Slices, Slices - 1, Slices - 1), Found(site));
        using (TcpListener listener = site.Topology.Host.Run(() =>
               {
                   TcpListener made = new(IPAddress.Any, 20000);
                   made.Start();
                   return made;
               }))
        {
            // Who listens is looked at every ten seconds.
            Wait.Until(() => Found(site) == (Slices, Slices - 2, Slices - 2), "the listener to be noticed", TimeSpan.FromSeconds(40));
            Assert.Equal(4 * SliceSize, site.Capacity("portmap_largest_free_slice_ports"));
        }

        Wait.Until(() => Found(site) == (Slices, Slices - 1, Slices - 1), "its end to be noticed", TimeSpan.FromSeconds(40));
    }

    private static (int Slices, int Free, int Placeable) Found(Site site) =>
        (site.Capacity("portmap_slices"), site.Capacity("portmap_slices_free"), site.Capacity("portmap_placeable_containers"));
}
