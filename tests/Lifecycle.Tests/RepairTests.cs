using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>"repair" puts back what somebody took from a running container, without taking more.</summary>
public sealed class RepairTests
{
    private static readonly (string Name, Action<Bed, Namespace> Do)[] Damage =
    [
        ("clsact of the master", Host("tc qdisc del dev eth0 clsact")),
        ("clsact of lo", Host("tc qdisc del dev lo clsact")),
        ("clsact of the host end", Host("tc qdisc del dev VETH clsact")),
        ("a filter of the host end", Host("tc filter del dev VETH ingress protocol arp prio 28781")),
        ("the last filter", Host("tc filter del dev VETH ingress prio 28783")),
        ("a filter before ours", Host("tc filter add dev VETH ingress protocol ip prio 1 u32 match u32 0 0 action mirred egress redirect dev eth0")),
        ("another filter instead of one", Host(
            "tc filter del dev VETH ingress protocol arp prio 28781", "tc filter add dev VETH ingress protocol arp prio 28781 u32 match u32 0 0 action mirred egress redirect dev eth0")),
        ("a stranger among ours", Host("tc filter add dev VETH ingress protocol ip prio 28782 u32 match u32 0 0 action mirred egress redirect dev eth0")),
        ("host end down", Host("ip link set VETH down")),
        ("host end's MAC and MTU", Host("ip link set VETH address 02:00:00:00:00:55 mtu 1300")),
        ("host end's sysctls", (bed, _) => bed.Host.Sysctls(
            ($"net/ipv4/conf/{bed.HostInterface("c1")}/forwarding", "1"), ($"net/ipv4/conf/{bed.HostInterface("c1")}/rp_filter", "0"), ($"net/ipv4/conf/{bed.HostInterface("c1")}/arp_ignore", "0"))),
        ("host end deleted", Host("ip link del VETH")),
        ("shaper of the host end deleted", Host("tc qdisc del dev VETH root")),
        ("shaper of the host end changed", Host("tc class change dev VETH parent 1: classid 1:1 htb rate 100mbit")),
        ("a class added to the shaper", Host("tc class add dev VETH parent 1: classid 1:2 htb rate 100mbit")),
        ("another qdisc in the shaper's place", Host("tc qdisc del dev VETH root", "tc qdisc add dev VETH root handle 5: htb")),
        ("MAC of the host's lo", Host("ip link set lo address 02:00:00:00:00:99")),
        ("host's lo down", Host("ip link set lo down")),
        ("host's sysctls", (bed, _) => bed.Host.Sysctls(("net/ipv4/conf/lo/accept_local", "0"), ("net/ipv4/conf/lo/route_localnet", "0"))),
        ("container's lo", Inside("ip link set lo down", "ip link set lo mtu 65536 address 02:00:00:00:00:44")),
        ("container's clsacts", Inside("tc qdisc del dev lo clsact", "tc qdisc del dev eth0 clsact")),
        ("a stranger in the container", Inside("tc filter add dev lo ingress protocol ip prio 28782 u32 match u32 0 0 action mirred egress redirect dev eth0")),
        ("container's interface down", Inside("ip link set eth0 down")),
        ("container's MAC and MTU", Inside("ip link set eth0 address 02:00:00:00:00:66", "ip link set eth0 mtu 1280")),
        ("container's address", Inside("ip address flush dev eth0")),
        ("container's route", Inside("ip route del default", "ip route add default via 10.77.0.77 dev eth0 onlink")),
        ("container's sysctls", (_, container) => container.Sysctls(
            ("net/ipv4/ip_local_port_range", "32768 60999"), ("net/ipv4/conf/eth0/accept_local", "0"), ("net/ipv4/conf/lo/accept_local", "0"), ("net/ipv6/conf/eth0/disable_ipv6", "0"))),
        ("container's shaper", Inside("tc qdisc del dev eth0 root")),
        ("interrupted update", (bed, _) => bed.EditRecord("c1", record =>
        {
            record["change"] = JsonNode.Parse("""{"claims":[{"protocol":"tcp","begin":31006,"end":31006}],"limits":{}}""");
            record["process"]!["pid"] = 0x3fffff;
        })),
    ];

    // What all containers share is told of under the host's name.
    private static readonly string[] Shared = ["clsact of the master", "clsact of lo", "MAC of the host's lo", "host's lo down", "host's sysctls"];

    public static TheoryData<string> Names => [.. Damage.Select(one => one.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task It_is_put_back_and_nothing_is_left_at_the_end(string name)
    {
        using Bed bed = Limited();
        Namespace other = bed.Added("c2", 31500);
        Namespace container = bed.Added("c1", 31005);
        Assert.Equal((0, "nothing to repair\n"), Told(bed.Plugin.CommandLine("repair", "c1")));
        Damage.Single(one => one.Name == name).Do(bed, container);
        Assert.Equal(106, bed.Plugin.Check(container, "c1").ErrorCode);
        CommandResult repaired = bed.Plugin.CommandLine("repair", "c1");
        Assert.True(repaired.ExitCode == 0 && repaired.Error.Length == 0, repaired.ToString());
        Bed.Says(repaired.Output, $"mended       {(Shared.Contains(name) ? "host" : "testnet/c1/eth0")}: ", "expected");
        Assert.Equal((0, "nothing to repair\n"), Told(bed.Plugin.CommandLine("repair", "c1")));
        bed.Plugin.Check(container, "c1").Require();
        Assert.Null(bed.Record("c1")["change"]);
        await bed.AssertReachableAsync(container, 31005);
        await bed.AssertReachesOutAsync(container, "c1");
        bed.Plugin.CommandLine("repair", "--all");
        bed.Plugin.Check(other, "c2").Require();
        bed.Plugin.Del(container, "c1").Require();
        bed.Plugin.Del(other, "c2").Require();
        bed.AssertClean();
    }

    [Fact]
    public async Task A_connection_goes_on_through_the_repair_of_removed_filters()
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31005);
        using EchoServer server = EchoServer.Start(container, Transport.Tcp, IPAddress.Any, 31005);
        using Socket socket = bed.Net.Out.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        await socket.ConnectAsync(new IPEndPoint(bed.Net.HostAddress, 31005));
        byte[] greeting = new byte[128];
        Assert.NotEqual(0, await socket.ReceiveAsync(greeting));
        foreach (string damage in new[] { "filter del dev eth0 ingress protocol ip prio 28782", "qdisc del dev VETH clsact", "qdisc del dev eth0 clsact" })
        {
            // An acknowledgement that comes late, while the filters are away, goes to the host, which resets what it does not know.
            Wait.Until(
                () => !container.Execute("ss", "-tinH", "sport", "=", ":31005").Require().Contains("unacked:", StringComparison.Ordinal),
                "the client acknowledges what it has received");
            bed.Host.Tc(damage.Replace("VETH", bed.HostInterface("c1"), StringComparison.Ordinal));
            CommandResult repaired = bed.Plugin.CommandLine("repair", "--all");
            Assert.True(repaired.ExitCode == 0, repaired.ToString());
            byte[] sent = [1, 2, 3, 4];
            await socket.SendAsync(sent);
            byte[] back = new byte[4];
            for (int count = 0; count < back.Length;)
            {
                using CancellationTokenSource patience = new(Wait.Patience);
                int got = await socket.ReceiveAsync(back.AsMemory(count), patience.Token);
                Assert.NotEqual(0, got);
                count += got;
            }

            Assert.Equal(sent, back);
        }
    }

    [Fact]
    public void A_container_whose_namespace_is_gone_is_refused_and_the_others_are_repaired()
    {
        using Bed bed = new();
        Namespace gone = bed.Added("gone");
        Namespace container = bed.Added("c1", 31005);
        gone.Dispose();
        bed.Host.Tc("qdisc del dev lo clsact");
        Bed.Refused(bed.Plugin.CommandLine("repair", "gone"), 1, "error 103", "testnet/gone/eth0", "gc");
        CommandResult all = bed.Plugin.CommandLine("repair", "--all");
        Assert.Equal(1, all.ExitCode);
        Bed.Says(all.Output, "mended       host: filter");
        Bed.Says(all.Error, "error 103");
        bed.Plugin.Check(container, "c1").Require();
    }

    [Theory]
    [InlineData(2, "repair")]
    [InlineData(2, "repair", "c1", "--all")]
    [InlineData(1, "repair", "nobody")]
    public void A_wrong_command_line_is_refused(int code, params string[] words)
    {
        using Bed bed = new();
        Assert.Equal(code, bed.Plugin.CommandLine(words).ExitCode);
    }

    [Theory]
    [InlineData("sendto", false)]
    [InlineData("sendto", true)]
    [InlineData("clone3", false)]
    [InlineData("rename", true)]
    [InlineData("clone3", true)]
    public void One_that_is_killed_is_ended_by_the_next_and_DEL_works_in_between(string call, bool thenRepair)
    {
        using Bed bed = Limited();
        Namespace container = bed.Container();
        NetworkConfig config = bed.Config.WithPorts(31005);
        int interrupted = 0;

        // It sends very many messages: every third is enough to come by each of its steps.
        for (int step = 1; ; step += call == "sendto" ? 3 : 1)
        {
            Assert.True(step < 300, $"{call} {step}");
            bed.Plugin.Add(container, "c1", config: config).Require();
            Execute(bed.Host, ["tc qdisc del dev VETH clsact", "tc qdisc del dev eth0 clsact", "ip link set eth0 mtu 1400"], bed.HostInterface("c1"));
            CommandResult killed = bed.Host.Execute(
                "strace", "-f", "-o", "/dev/null", "-e", $"trace={call}", "-e", $"inject={call}:signal=KILL:when={step}", bed.Plugin.Binary, "repair", "c1", "--state-dir", bed.Store);
            interrupted += bed.Record("c1")["change"] is null ? 0 : 1;
            if (thenRepair)
            {
                CommandResult repaired = bed.Plugin.CommandLine("repair", "c1");
                Assert.True(repaired.ExitCode == 0, $"killed at {call} {step}: {repaired}");
                bed.Plugin.Check(container, "c1", config: config).Require();
            }

            bed.Plugin.Del(container, "c1", config: config).Require();
            bed.Host.Ip("link set eth0 mtu 1500");
            bed.AssertClean();
            if (killed.ExitCode == 0)
            {
                break;
            }
        }

        Assert.NotEqual(0, interrupted);
    }

    internal static Bed Limited() => new(config => config.With("egressRateLimitPerContainer", 10_000_000).With("ingressRateLimitPerContainer", 10_000_000));

    private static (int ExitCode, string Output) Told(CommandResult result) => (result.ExitCode, result.Output);

    private static Action<Bed, Namespace> Host(params string[] commands) => (bed, _) => Execute(bed.Host, commands, bed.HostInterface("c1"));

    private static Action<Bed, Namespace> Inside(params string[] commands) => (_, container) => Execute(container, commands, "");

    private static void Execute(Namespace place, string[] commands, string veth)
    {
        foreach (string command in commands)
        {
            string[] words = command.Replace("VETH", veth, StringComparison.Ordinal).Split(' ');
            place.Execute(words[0], words[1..]).Require();
        }
    }
}
