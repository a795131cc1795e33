using System.ComponentModel;
using System.Net;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>"repair" where the host has lost something, while it is killed, and while the container attacks.</summary>
public sealed class RepairHostTests
{
    // Each leaves nothing through by itself where sources are checked strictly; what a repair lets through in between would be its own.
    private static readonly string[][] Damage =
    [
        ["tc qdisc del dev VETH clsact"],
        ["tc filter del dev VETH ingress prio 28783"],
        ["tc filter add dev VETH ingress protocol ip prio 28782 u32 match ip protocol 253 0xff action mirred egress redirect dev eth0"],
        ["tc filter add dev VETH ingress protocol ip prio 1 u32 match ip protocol 253 0xff action mirred egress redirect dev eth0"],
        ["tc filter del dev VETH ingress protocol ip prio 28782", "ip link set VETH mtu 1400"],
    ];

    [Theory]
    [InlineData("sendto", 7)]
    [InlineData("rename", 1)]
    public void One_that_is_killed_while_it_follows_a_master_that_was_made_again_is_ended_by_the_next(string call, int stride)
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        int interrupted = 0;
        for (int step = 1; ; step += stride)
        {
            Assert.True(step < 300, $"{call} {step}");
            HostChangeTests.Remake(bed.Net);
            CommandResult killed = bed.Host.Execute(
                "strace", "-f", "-o", "/dev/null", "-e", $"trace={call}", "-e", $"inject={call}:signal=KILL:when={step}", bed.Plugin.Binary, "repair", "c1", "--state-dir", bed.Store);
            interrupted += bed.Record("c1")["change"] is null ? 0 : 1;
            CommandResult repaired = bed.Plugin.CommandLine("repair", "c1");
            Assert.True(repaired.ExitCode == 0, $"killed at {call} {step}: {repaired}");
            bed.Plugin.Check(container, "c1").Require();
            if (killed.ExitCode == 0)
            {
                break;
            }
        }

        Assert.NotEqual(0, interrupted);
        bed.Plugin.Del(container, "c1").Require();
        HostChangeTests.AssertNoTrace(bed, storeIsGone: false);
    }

    [Fact]
    public void Forged_frames_find_no_hole_while_the_host_end_is_repaired()
    {
        using Bed bed = new(options: new TopologyOptions { ReversePathFilter = 1 });
        Namespace container = bed.Added("c1", 31005);
        Namespace neighbour = bed.Added("c2", 31006);
        string veth = bed.HostInterface("c1");
        Mark good = new();
        Mark bad = new();
        IPEndPoint owned = new(bed.Net.HostAddress, 31005);
        IPEndPoint unowned = new(bed.Net.HostAddress, 20_000);
        IPEndPoint foreign = new(IPAddress.Parse("10.77.0.99"), 31005);
        IPEndPoint outside = new(bed.Net.OutAddress, 7007);
        IPEndPoint next = new(bed.Net.HostAddress, 31006);
        byte[][] frames =
        [
            .. from pair in new[] { (owned, outside, good), (unowned, outside, bad), (foreign, outside, bad), (unowned, next, bad), (foreign, next, bad) }
               select Frames.Ethernet(bed.Net.OutMac, bed.Net.HostMac, Frames.EtherTypeIPv4, Frames.Udp(pair.Item1, pair.Item2, pair.Item3.Bytes)),
        ];
        using PacketSocket wire = PacketSocket.Open(bed.Net.Out, Topology.OutInterface, bad.In);
        using PacketSocket other = PacketSocket.Open(neighbour, "eth0", frame => !frame.Outgoing && bad.In(frame));
        using PacketSocket passed = PacketSocket.Open(bed.Net.Out, Topology.OutInterface, good.In);
        using PacketSocket sender = PacketSocket.Open(container, "eth0", _ => false);
        using CancellationTokenSource end = new();
        Thread flood = new(() => Flood(sender, frames, end.Token));
        flood.Start();
        try
        {
            foreach (string[] damage in Damage.Concat(Damage))
            {
                foreach (string command in damage)
                {
                    string[] words = command.Replace("VETH", veth, StringComparison.Ordinal).Split(' ');
                    bed.Host.Execute(words[0], words[1..]).Require();
                }

                CommandResult repaired = bed.Plugin.CommandLine("repair", "c1");
                Assert.True(repaired.ExitCode == 0, $"{damage[0]}: {repaired}");
                int before = passed.Frames.Count;
                Wait.Until(() => passed.Frames.Count > before, $"the flood to pass again after {damage[0]}");
            }
        }
        finally
        {
            end.Cancel();
            flood.Join();
        }

        bed.Plugin.Check(container, "c1").Require();
        Assert.Empty(wire.Frames);
        Assert.Empty(other.Frames);
    }

    [Fact]
    public async Task Without_its_master_a_container_gets_what_does_not_lead_there()
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        Namespace neighbour = bed.Added("c2", 31006);
        string veth = bed.HostInterface("c1");
        bed.Host.Ip("link del eth0");
        container.Tc("qdisc del dev lo clsact");
        container.Ip("link set lo mtu 65536");
        bed.Host.Ip($"link set {veth} mtu 1300");
        bed.Host.Tc($"qdisc del dev {veth} clsact");
        bed.Host.Tc("qdisc del dev lo clsact");
        CommandResult repaired = bed.Plugin.CommandLine("repair", "--all");
        Assert.True(repaired.ExitCode == 1 && repaired.Error.Length == 0, repaired.ToString());
        Bed.Says(
            repaired.Output,
            "mended       testnet/c1/eth0: MTU of lo in the container",
            $"mended       testnet/c1/eth0: MTU of {veth}",
            $"mended       testnet/c1/eth0: last filter on {veth}",
            "STILL WRONG  testnet/c1/eth0: master: expected eth0 with address 10.77.0.2, found master \"eth0\": the host has no interface of this name");
        await AssertReachesAsync(container, neighbour, 31006, bed.Net.HostAddress);
        await AssertReachesAsync(bed.Host, container, 31005, IPAddress.Loopback);
        HostChangeTests.Make(bed.Net);
        CommandResult again = bed.Plugin.CommandLine("repair", "--all");
        Assert.True(again.ExitCode == 0 && again.Error.Length == 0, again.ToString());
        bed.Plugin.Check(container, "c1").Require();
        bed.Plugin.Check(neighbour, "c2").Require();
        await bed.AssertReachableAsync(container, 31005);
        await bed.AssertReachesOutAsync(neighbour, "c2");
        bed.Plugin.CommandLine("uninstall", "--force").Require();
        HostChangeTests.AssertNoTrace(bed);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_lost_note_is_written_anew_and_the_host_is_as_before_in_the_end(bool repair)
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        File.Delete(Path.Combine(bed.Store, "host.json"));
        Bed.Says(bed.Plugin.CommandLine("doctor").Output, "FAULT    shared: note of what the host was like before the first container: expected host.json, found none");
        if (repair)
        {
            CommandResult repaired = bed.Plugin.CommandLine("repair", "--all");
            Assert.True(repaired.ExitCode == 0 && repaired.Error.Length == 0, repaired.ToString());
            Bed.Says(
                repaired.Output,
                "mended       host: note",
                "assumed      host: net.ipv4.conf.lo.accept_local was 0 before the first container, the kernel's default",
                "assumed      host: net.ipv4.conf.lo.route_localnet was 0",
                "assumed      host: lo had no MAC before the first container",
                "assumed      host: clsact of eth0 came with the first container",
                "assumed      host: clsact of lo came with the first container");
        }
        else
        {
            bed.Added("c2");
            Bed.Says(File.ReadAllText(bed.Config.LogFile!), "was lost and is written anew", "net.ipv4.conf.lo.accept_local was 0");
        }

        Assert.Equal(0, bed.Plugin.CommandLine("doctor").ExitCode);
        bed.Plugin.Check(container, "c1").Require();
        bed.Plugin.CommandLine("uninstall", "--force").Require();

        // The one thing that nobody can know.
        bed.Host.Ip("link set lo address 02:00:00:00:00:0a");
        bed.AssertClean();
    }

    private static void Flood(PacketSocket sender, byte[][] frames, CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            foreach (byte[] frame in frames)
            {
                try
                {
                    sender.Send(frame);
                }
                catch (Win32Exception)
                {
                    // The queue is full, or the link is just down.
                }
            }

            Thread.Yield();
        }
    }

    private static async Task AssertReachesAsync(Namespace from, Namespace container, int port, IPAddress address)
    {
        using EchoServer server = EchoServer.Start(container, Transport.Tcp, IPAddress.Any, port);
        ProbeResult result = await Probe.RunAsync(from, Transport.Tcp, new IPEndPoint(address, port));
        Assert.True(result.Ok, $"{from} to {port}: {result}");
    }
}
