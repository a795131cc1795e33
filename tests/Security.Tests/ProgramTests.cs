using System.Net;
using System.Net.Sockets;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>What BPF programs and filters on a container's own devices do to others: nothing, as the policing is at the other end.</summary>
public sealed class ProgramTests
{
    private const int XdpDrop = 1;
    private const int XdpTransmit = 3;

    /// <summary>The highest number that is tried as that of a device of the host: all of them are below.</summary>
    private const int MostDevices = 12;

    [Theory]
    [InlineData("drop", true)]
    [InlineData("drop", false)]
    [InlineData("transmit", true)]
    [InlineData("transmit", false)]
    [InlineData("redirect", true)]
    [InlineData("redirect", false)]
    public async Task XDP_turns_nothing_against_others(string kind, bool driver)
    {
        using Site site = new(2);
        using Bystanders bystanders = new(site);
        using Sniffers sniffers = new(site);
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface, _ => false);
        Socket sink = Sink(site.C1);
        Mark mark = new();
        foreach (ulong[] program in kind == "redirect"
                     ? Enumerable.Range(1, MostDevices).Select(index => ContainerProgram.Redirect(index))
                     : [ContainerProgram.Verdict(kind == "drop" ? XdpDrop : XdpTransmit)])
        {
            using ContainerProgram attached = ContainerProgram.AttachXdp(site.C1.Place, "eth0", driver, program);
            wire.Send(site.FromOut(Frames.Udp(site.AtOut(), site.AtHost(site.C1.Port), mark.Bytes)));
            wire.Send(site.FromOut(Frames.Tcp(site.AtOut(), site.AtHost(site.C1.Port), payload: mark.Bytes)));
            Send(site.Host, site.AtHost(site.C1.Port), mark);
            Send(site.C2.Place, site.AtHost(site.C1.Port), mark, site.C2.Port);
            bystanders.AssertAlive();
        }

        site.AssertQuiet();
        Places seen = sniffers.Seen(mark);
        Assert.True((seen & (Places.Wire | Places.Neighbour | Places.Host)) == 0, $"seen {seen}");
        bystanders.AssertUnharmed();
        sink.Dispose();
        Assert.True((await Probe.RunAsync(site.Out, Transport.Udp, site.AtHost(site.C1.Port))).Outcome == ProbeOutcome.Refused, "it hears again");
    }

    [Theory]
    [InlineData("another's port", 34, "C2", Places.None)]
    [InlineData("the host's port", 34, "7007", Places.None)]
    [InlineData("another address", 28, "99", Places.None)]
    [InlineData("another Ethernet type", 12, "99", Places.None)]
    [InlineData("another MAC, of which nothing outside must learn", 10, "99", Places.Host | Places.Neighbour | Places.Loopback)]
    [InlineData("a port of its own", 34, "own", Places.Wire | Places.Host | Places.Neighbour | Places.Loopback)]
    public void Rewritten_behind_its_sockets_a_packet_leaves_only_as_what_it_may_be(string _, int at, string value, Places expected)
    {
        using Site site = new(2);
        using Bystanders bystanders = new(site);
        using Sniffers sniffers = new(site);
        ushort number = (ushort)(value switch { "C2" => site.C2.Port, "own" => site.C1.SliceEnd, _ => int.Parse(value) });
        Mark mark = new();
        using (ContainerProgram.AttachTcx(site.C1.Place, "eth0", egress: true, ContainerProgram.Rewrite(at, number)))
        {
            Send(site.C1.Place, site.AtOut(), mark, site.C1.Port);
            Send(site.C1.Place, site.AtHost(Site.ServerPort), mark, site.C1.Port);
            Send(site.C1.Place, site.AtHost(site.C2.Port), mark, site.C1.Port);
        }

        Mark last = new();
        Send(site.C1.Place, site.AtOut(), last, site.C1.Port);
        Send(site.C1.Place, site.AtHost(Site.ServerPort), last, site.C1.Port);
        Send(site.C1.Place, site.AtHost(site.C2.Port), last, site.C1.Port);
        sniffers.WaitFor(last, Places.Wire | Places.Host | Places.Neighbour);
        Places seen = sniffers.Seen(mark);
        Assert.Equal(expected, seen);
        site.AssertQuiet();
        bystanders.AssertUnharmed();
    }

    /// <summary>Numbers of devices mean those of the container's own namespace, whatever the host has under them.</summary>
    [Theory]
    [InlineData("redirect")]
    [InlineData("mirror")]
    public void Filters_that_lead_to_the_numbers_of_the_host_s_devices_lead_nowhere(string action)
    {
        using Site site = new(2);
        using Bystanders bystanders = new(site);
        using Sniffers sniffers = new(site);
        using PacketSocket c1 = PacketSocket.Open(site.C1.Place, "eth0", _ => false);
        using Socket sink = Sink(site.C1);
        site.C1.Place.TcBatch("qdisc del dev eth0 clsact", "qdisc add dev eth0 clsact");
        Mark mark = new();
        for (int index = 1; index <= MostDevices; index++)
        {
            foreach (string hook in new[] { "ingress", "egress" })
            {
                // Refused where the container has no such device.
                bool taken = site.C1.Place.Execute(
                    "tc", $"filter add dev eth0 {hook} protocol all prio 1 u32 match u32 0 0 action mirred egress {action} dev if{index}".Split(' ')).ExitCode == 0;
                foreach (IPEndPoint from in new[] { site.AtHost(site.C2.Port), site.AtHost(Site.ServerPort), site.AtOut() })
                {
                    c1.Send(site.ToOut(Frames.Udp(from, site.AtOut(), mark.Bytes)));
                    c1.Send(site.ToHost(Frames.Udp(from, site.AtHost(Site.ServerPort), mark.Bytes)));
                }

                if (taken)
                {
                    site.C1.Place.Tc($"filter del dev eth0 {hook}");
                }
            }

            using ContainerProgram egress = ContainerProgram.AttachTcx(site.C1.Place, "eth0", egress: true, ContainerProgram.Redirect(index));
            c1.Send(site.ToOut(Frames.Udp(site.AtHost(site.C2.Port), site.AtOut(), mark.Bytes)));
            using ContainerProgram ingress = ContainerProgram.AttachTcx(site.C1.Place, "eth0", egress: false, ContainerProgram.Redirect(index));
            Send(site.Host, site.AtHost(site.C1.Port), mark);
            Send(site.Out, site.AtHost(site.C1.Port), mark);
        }

        site.AssertQuiet();
        Places seen = sniffers.Seen(mark);
        Assert.True((seen & ~Places.Loopback) == 0, $"seen {seen}");
        bystanders.AssertUnharmed();
    }

    /// <summary>Takes what comes after all, which would be answered by errors that quote it.</summary>
    private static Socket Sink(Container container)
    {
        Socket socket = container.Place.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        socket.Bind(new IPEndPoint(IPAddress.Any, container.Port));
        return socket;
    }

    private static void Send(Namespace from, IPEndPoint to, Mark mark, int port = 0)
    {
        using Socket socket = from.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        socket.Bind(new IPEndPoint(IPAddress.Any, port));
        socket.SendTo(mark.Bytes, to);
    }
}
