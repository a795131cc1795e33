using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;
using CniIsolator.Lifecycle.Tests;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>What a container's root can do to its own devices, and what that does to others: nothing, and DEL still takes all of it down.</summary>
public sealed class HostileRootTests
{
    [Theory]
    [InlineData("deletes its interface", "link delete eth0")]
    [InlineData("sets its interface down", "link set eth0 down")]
    [InlineData("renames its interface", "link set eth0 down;link set eth0 name x0;link set x0 up")]
    [InlineData("takes another MAC", "link set eth0 address 02:00:00:00:00:99")]
    [InlineData("takes the gateway's address", "address flush dev eth0;address add 10.77.0.1/24 dev eth0")]
    [InlineData("changes MTU, queue and flags", "link set eth0 mtu 65535;link set eth0 txqueuelen 1;link set eth0 promisc on allmulticast on;link set eth0 arp off")]
    [InlineData("changes its loopback", "link set lo down;link set lo mtu 68;link set lo up;address flush dev lo")]
    [InlineData("puts its interface into a bridge", "link add br0 type bridge;link set br0 up;link set eth0 master br0")]
    [InlineData("stacks devices on it", "link add mv0 link eth0 type macvlan mode bridge;link set mv0 up")]
    [InlineData("makes a pair with the name of the host's end", "link add pmi0123456789ab type veth peer name eth7;link set eth7 up")]
    [InlineData("takes an MTU that the host's wire has not", "link set eth0 mtu 9000;route change default via 10.77.0.1 dev eth0 mtu 9000")]
    [InlineData("makes many interfaces", "")]
    public async Task The_neighbour_and_the_host_go_on(string _, string commands)
    {
        using Bed bed = new();
        Namespace hostile = bed.Added("c1", 31005);
        Namespace neighbour = bed.Added("c2", 31006);
        string[] lines = commands.Length > 0
            ? commands.Split(';')
            : [.. Enumerable.Range(0, 200).Select(number => $"link add many{number} type ifb")];
        hostile.IpBatch(lines);
        await AssertNeighbourAsync(bed, neighbour);
        using (EchoServer own = EchoServer.Start(bed.Host, Transport.Udp, IPAddress.Any, 31005))
        {
            // The ports of a container that has cut itself off are not the host's for that.
            Assert.False((await Probe.RunAsync(bed.Net.Out, Transport.Udp, new IPEndPoint(bed.Net.HostAddress, 31005), ProbeOptions.Hopeless)).Ok);
        }

        bed.Plugin.Check(neighbour, "c2").Require();
        Assert.True(Softirq.WaitForQuiet(bed.Net));
        bed.Plugin.Del(hostile, "c1").Require();
        await AssertNeighbourAsync(bed, neighbour);
        bed.Plugin.Del(neighbour, "c2").Require();
        bed.AssertClean();
    }

    [Fact]
    public async Task An_interface_moved_into_a_nested_namespace_keeps_its_limits_and_is_taken_down()
    {
        using Bed bed = new();
        Namespace hostile = bed.Added("c1", 31005);
        Namespace neighbour = bed.Added("c2", 31006);
        using Namespace nested = Namespace.Create("nested");
        hostile.Ip($"link set eth0 netns {nested.Name} name inner0");
        nested.IpBatch("link set lo up", "link set inner0 up", "address add 10.77.0.2/24 dev inner0", "route add default via 10.77.0.1");
        using EchoServer outside = EchoServer.Start(bed.Net.Out, Transport.Udp, bed.Net.OutAddress, 7007);
        ProbeOptions From(int port) => ProbeOptions.Hopeless with { SourcePort = port };
        Assert.Equal(ProbeOutcome.Timeout, (await Probe.RunAsync(nested, Transport.Udp, outside.EndPoint, From(31006))).Outcome);
        Assert.Equal(ProbeOutcome.Timeout, (await Probe.RunAsync(nested, Transport.Udp, outside.EndPoint, From(29999))).Outcome);
        Assert.True((await Probe.RunAsync(nested, Transport.Udp, outside.EndPoint, new ProbeOptions { SourcePort = 31005 })).Ok);
        bed.Plugin.Del(hostile, "c1").Require();
        Assert.DoesNotContain("inner0", nested.Ip("link show"), StringComparison.Ordinal);
        await AssertNeighbourAsync(bed, neighbour);
        bed.Plugin.Del(neighbour, "c2").Require();
        bed.AssertClean();
    }

    /// <summary>
    /// A veth tells its container an id of the host's namespace, and the kernel lets whoever has CAP_NET_ADMIN over that namespace use it.
    /// In a user namespace of its own a container's root has not.
    /// </summary>
    [Fact]
    public void Root_of_a_user_namespace_makes_no_device_on_the_host_s_interface()
    {
        using Bed bed = new();
        using Process container = bed.Host.Start("unshare", "--user", "--map-root-user", "--net", "sleep", "1000");
        try
        {
            string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{container.Id}/ns/net");
            Wait.Until(() => new FileInfo(path).LinkTarget != new FileInfo("/proc/self/ns/net").LinkTarget && File.ReadAllText($"/proc/{container.Id}/comm").Trim() == "sleep", "the container");
            bed.Plugin.Run(bed.Plugin.Attachment("ADD", path, "c1")).Require();
            CommandResult Inside(params string[] command) =>
                CommandResult.Run("nsenter", [$"--target={container.Id}", "--user", "--net", "--preserve-credentials", "--", .. command]);
            Inside("ip", "link", "add", "own0", "type", "ifb").Require();
            using JsonDocument shown = JsonDocument.Parse(Inside("ip", "-j", "link", "show", "dev", "eth0").Require());
            int host = shown.RootElement[0].GetProperty("link_netnsid").GetInt32();
            using JsonDocument master = JsonDocument.Parse(bed.Host.Ip("-j link show dev eth0"));
            int index = master.RootElement[0].GetProperty("ifindex").GetInt32();
            CommandResult attack = Inside("ip", "link", "add", "link", $"if{index}", "link-netnsid", $"{host}", "name", "spy0", "type", "macvlan");
            Assert.NotEqual(0, attack.ExitCode);
            Bed.Says(attack.Error, "not permitted");
            bed.Plugin.Run(bed.Plugin.Attachment("DEL", path, "c1")).Require();
        }
        finally
        {
            container.Kill();
        }

        bed.AssertClean();
    }

    /// <summary>Sockets of a container may be bound to whatever it likes: the neighbour's packets do not come, and its own do not leave.</summary>
    [Theory]
    [InlineData(Transport.Tcp)]
    [InlineData(Transport.Udp)]
    public async Task A_port_is_not_stolen_by_binding_it(Transport transport)
    {
        using Bed bed = new();
        Namespace hostile = bed.Added("c1", 31005);
        Namespace neighbour = bed.Added("c2", 31006);
        hostile.Sysctls(("net/ipv4/ip_local_port_range", "1024 65000"), ("net/ipv4/ip_nonlocal_bind", "1"), ("net/ipv4/ip_unprivileged_port_start", "0"));
        int slice = bed.Slice("c2").Begin;
        foreach (int port in new[] { 31006, slice, 22 })
        {
            // With SO_REUSEPORT and IP_TRANSPARENT, as both are set by the thief; it answers to every name of the host.
            using ThievingSocket thief = ThievingSocket.Open(hostile, transport, port);
            foreach (Namespace from in new[] { bed.Net.Out, bed.Host, neighbour })
            {
                ProbeResult refused = await Probe.RunAsync(from, transport, new IPEndPoint(bed.Net.HostAddress, port));
                Assert.True(refused.Outcome == ProbeOutcome.Refused, $"{from} to {port}: {refused}");
            }

            Assert.False(thief.HasAnything);
        }

        await AssertNeighbourAsync(bed, neighbour);
    }

    private static async Task AssertNeighbourAsync(Bed bed, Namespace neighbour)
    {
        await bed.AssertReachableAsync(neighbour, 31006);
        await bed.AssertReachesOutAsync(neighbour, "c2");
        using EchoServer host = EchoServer.Start(bed.Host, Transport.Tcp, IPAddress.Any, 8080);
        Assert.True((await Probe.RunAsync(neighbour, Transport.Tcp, new IPEndPoint(bed.Net.HostAddress, 8080))).Ok);
        Assert.True((await Probe.RunAsync(bed.Net.Out, Transport.Tcp, new IPEndPoint(bed.Net.HostAddress, 8080))).Ok);
    }
}
