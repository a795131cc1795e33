using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>
/// A host moves under a container that runs: what becomes of the next ADD, and how "repair" brings everything together again, once for what
/// all share.
/// </summary>
public sealed partial class HostMovesTests
{
    private static readonly IPAddress First = HostMove.First;
    private static readonly IPAddress Second = HostMove.Second;

    public static TheoryData<string> Names => [.. HostMove.All.Select(move => move.Name)];

    public static TheoryData<string, bool> NamesAndKeys
    {
        get
        {
            TheoryData<string, bool> all = [];
            foreach (string name in HostMove.All.Select(move => move.Name))
            {
                all.Add(name, true);
                all.Add(name, false);
            }

            return all;
        }
    }

    [Theory]
    [MemberData(nameof(NamesAndKeys))]
    public async Task The_next_ADD_works_or_asks_for_a_repair_after_which_all_containers_work(string name, bool named)
    {
        HostMove move = HostMove.Named(name);
        using Bed bed = Make(named);
        Namespace old = bed.Added("c1", 31005);
        await bed.AssertReachableAsync(old, 31005);
        string mac = bed.Net.HostMac.ToString();
        move.Do(bed.Net);
        NetworkConfig config = bed.Config.WithPorts(31006);
        Namespace added = bed.Container();
        PluginResult result = bed.Plugin.Add(added, "c2", config: config);
        bool isRefused = move.IsRefused || (named && move.Master != "eth0");
        if (isRefused)
        {
            Bed.Fails(result, 7, "repair --all");
            Assert.Single(bed.Records);
        }
        else
        {
            result.Require();
            await AssertTrafficAsync(bed, added, 31006, move.Address);
        }

        using (PacketSocket peer = PacketSocket.Open(bed.Net.Out, Topology.OutInterface, frame => frame.View.IsArp))
        {
            CommandResult repaired = Repair(bed);
            AssertToldOnce(repaired);
            Assert.DoesNotContain("c2/eth0", repaired.Output, StringComparison.Ordinal);
            AssertAnnounced(bed, move, peer);
        }

        if (isRefused)
        {
            config = config with { Master = named ? move.Master : null };
            bed.Plugin.Add(added, "c2", config: config).Require();
        }

        await AssertAllWellAsync(bed, move, old, added, named ? move.Master : null);
        AssertQuietRepair(bed, move);
        bed.Plugin.Del(old, "c1").Require();
        bed.Plugin.Del(added, "c2").Require();
        AssertHostIsAsBefore(bed, move, mac);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task What_all_share_is_mended_once_under_the_host_s_name(string name)
    {
        HostMove move = HostMove.Named(name);
        using Bed bed = Make(named: false);
        Namespace first = bed.Added("c1", 31005);
        Namespace second = bed.Added("c2", 31006);
        await bed.AssertReachableAsync(first, 31005);
        string mac = bed.Net.HostMac.ToString();
        move.Do(bed.Net);
        Assert.All(Health(bed), healthy => Assert.False(healthy));
        using (PacketSocket peer = PacketSocket.Open(bed.Net.Out, Topology.OutInterface, frame => frame.View.IsArp))
        {
            CommandResult repaired = Repair(bed);
            AssertToldOnce(repaired);
            Bed.Says(repaired.Output, "mended       testnet/c1/eth0: ", "mended       testnet/c2/eth0: ");

            // The filters on the master do not depend on its MTU, its gateway or its name.
            Assert.Equal(move.IsAnnounced, repaired.Output.Contains("mended       host: ", StringComparison.Ordinal));
            AssertAnnounced(bed, move, peer);
        }

        await AssertAllWellAsync(bed, move, first, second, move.Master);
        AssertQuietRepair(bed, move);
        bed.Plugin.Del(first, "c1").Require();
        bed.Plugin.Del(second, "c2").Require();
        AssertHostIsAsBefore(bed, move, mac);
    }

    [Fact]
    public void One_of_two_is_repaired_with_what_it_shares_and_the_other_stays_as_it_is()
    {
        using Bed bed = Make(named: true);
        Namespace first = bed.Added("c1", 31005);
        Namespace second = bed.Added("c2", 31006);
        bed.Host.Ip("link set eth0 address 02:00:00:00:00:77");
        CommandResult repaired = bed.Plugin.CommandLine("repair", "c1");
        Assert.True(repaired.ExitCode == 0 && repaired.Error.Length == 0, repaired.ToString());
        Bed.Says(repaired.Output, "mended       host: MAC of the host's lo", "mended       testnet/c1/eth0: ");
        Assert.DoesNotContain("c2", repaired.Output, StringComparison.Ordinal);
        Assert.Equal([true, false], Health(bed));
        bed.Plugin.Check(first, "c1").Require();
        Bed.Fails(bed.Plugin.Check(second, "c2"), 106, "MAC");
        CommandResult next = bed.Plugin.CommandLine("repair", "c2");
        Assert.True(next.ExitCode == 0 && next.Error.Length == 0, next.ToString());
        Assert.DoesNotContain("host:", next.Output, StringComparison.Ordinal);
        Assert.Equal([true, true], Health(bed));
        bed.Plugin.Check(second, "c2").Require();
    }

    [Theory]
    [InlineData(true, "10.77.0.9/24", "10.77.0.2/24", "")]
    [InlineData(false, "10.77.0.2/24", "10.77.0.9/24", " src 10.77.0.9")]
    [InlineData(false, "10.77.0.9/24", "10.77.0.2/32", " src 10.77.0.9")]
    public async Task An_address_that_the_host_still_has_among_others_is_kept(bool isSecondary, string primary, string other, string source)
    {
        using Bed bed = Make(named: false);
        Namespace first = bed.Added("c1", 31005);
        bed.Host.IpBatch(
            "address flush dev eth0 scope global",
            $"address add {primary} dev eth0",
            $"address add {other} dev eth0",
            $"route add default via 10.77.0.1 dev eth0{source}");
        Namespace second = bed.Added("c2", 31006);
        using PacketSocket peer = PacketSocket.Open(bed.Net.Out, Topology.OutInterface, IsAnnouncement);
        CommandResult repaired = Repair(bed);
        Assert.Equal(!other.EndsWith("/32", StringComparison.Ordinal), repaired.Output == "nothing to repair\n");
        Assert.All((string[])["c1", "c2"], id => Assert.Equal("10.77.0.2", (string?)bed.Record(id)["host"]!["address"]));
        await AssertTrafficAsync(bed, first, 31005, First, isSecondary);
        await AssertTrafficAsync(bed, second, 31006, First, isSecondary);
        AssertSilence(bed, "eth0", peer);
        Assert.Equal([true, true], Health(bed));
        Assert.Equal("nothing to repair\n", Repair(bed).Output);
    }

    [Fact]
    public async Task Of_two_addresses_that_the_host_has_again_all_share_one()
    {
        using Bed bed = Make(named: true);
        Namespace first = bed.Added("c1", 31005);
        HostMove.SetAddress(bed.Net, Second);
        Namespace second = bed.Added("c2", 31006);
        Namespace third = bed.Added("c3", 31007);
        bed.Host.Ip("address add 10.77.0.2/24 dev eth0");
        Repair(bed);
        Assert.All((string[])["c1", "c2", "c3"], id => Assert.Equal(Second.ToString(), (string?)bed.Record(id)["host"]!["address"]));
        await AssertTrafficAsync(bed, first, 31005, Second);
        await AssertTrafficAsync(bed, second, 31006, Second);
        await AssertTrafficAsync(bed, third, 31007, Second);
        Assert.Equal([true, true, true], Health(bed));
    }

    [Fact]
    public async Task An_address_that_replaced_another_may_be_named()
    {
        using Bed bed = Make(named: true);
        Namespace first = bed.Added("c1", 31005);
        HostMove.SetAddress(bed.Net, Second);
        NetworkConfig config = bed.Config.With("address", Second.ToString());
        Namespace second = bed.Container();
        bed.Plugin.Add(second, "c2", config: config.WithPorts(31006)).Require();
        await AssertTrafficAsync(bed, second, 31006, Second);
        Repair(bed);
        await AssertTrafficAsync(bed, first, 31005, Second);
        bed.Plugin.Check(second, "c2", config: config).Require();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_last_DEL_finds_a_renamed_master_without_a_repair(bool isSharedByAnother)
    {
        using Bed bed = Make(named: false);
        Namespace first = bed.Added("c1", 31005);
        HostMove.Rename(bed.Net, "eth0", "uplink0");
        Namespace? second = isSharedByAnother ? bed.Added("c2", 31006) : null;
        bed.Plugin.Del(first, "c1").Require();
        if (second is not null)
        {
            bed.Plugin.Del(second, "c2").Require();
        }

        HostMove.Rename(bed.Net, "uplink0", "eth0");
        bed.AssertClean();
    }

    [Theory]
    [InlineData("index")]
    [InlineData("MAC")]
    public void A_master_that_moved_after_the_last_container_died_leaves_no_trace(string name)
    {
        using Bed bed = Make(named: true);
        bed.Added("c1", 31005).Dispose();
        HostMove.Named(name).Do(bed.Net);
        Wait.Until(() => !bed.Host.Ip("-o link show").Contains(": pmi", StringComparison.Ordinal), "the kernel to end the container's namespace");
        Namespace second = bed.Added("c2", 31006);
        bed.Plugin.Del(null, "c1").Require();
        bed.Plugin.Del(second, "c2").Require();
        HostChangeTests.AssertNoTrace(bed, storeIsGone: false);
        Assert.DoesNotContain("clsact", bed.Host.Tc("qdisc show dev eth0"), StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(bed.Store, "host.json")));
    }

    private static Bed Make(bool named) => new(config => named ? config : config with { Master = null });

    private static CommandResult Repair(Bed bed)
    {
        CommandResult repaired = bed.Plugin.CommandLine("repair", "--all");
        Assert.True(repaired.ExitCode == 0 && repaired.Error.Length == 0, repaired.ToString());
        return repaired;
    }

    /// <summary>No line twice, and nothing of what is shared under the name of one that shares it.</summary>
    private static void AssertToldOnce(CommandResult repaired)
    {
        string[] lines = repaired.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(lines.Distinct(), lines);
        Assert.DoesNotContain(lines, line => line.Contains("testnet/", StringComparison.Ordinal) && Shared().IsMatch(line));
    }

    /// <summary>A repair that has nothing to do does and tells nothing.</summary>
    private static void AssertQuietRepair(Bed bed, HostMove move)
    {
        KernelState before = Bed.Settled(bed.Host);
        using PacketSocket peer = PacketSocket.Open(bed.Net.Out, Topology.OutInterface, IsAnnouncement);
        Assert.Equal("nothing to repair\n", Repair(bed).Output);
        Bed.Unchanged(before, bed.Host);
        AssertSilence(bed, move.Master, peer);
    }

    /// <summary>Frames keep their order: what had been announced would be there with the next one.</summary>
    private static void AssertSilence(Bed bed, string master, PacketSocket peer)
    {
        IPAddress marker = IPAddress.Parse("10.77.0.200");
        MacAddress mac = MacAddress.Parse("02:00:00:00:00:c8");
        using PacketSocket sender = PacketSocket.Open(bed.Host, master, _ => false);
        MacAddress everybody = MacAddress.Parse("ff:ff:ff:ff:ff:ff");

        // The queue of a processor is shared by all namespaces, and drops what comes while it is full: a flood of another test takes the marker.
        Wait.Until(
            () =>
            {
                sender.Send(Frames.Ethernet(everybody, mac, Frames.EtherTypeArp, Frames.Arp(1, mac, marker, default, marker)));
                return peer.WaitFor(frame => marker.Equals(frame.View.Source), TimeSpan.FromSeconds(1)) is not null;
            },
            "the marker to arrive");
        Assert.DoesNotContain(peer.Frames, frame => IsAnnouncement(frame) && !marker.Equals(frame.View.Source));
    }

    /// <summary>Neighbours are told of another MAC or address, and of nothing else.</summary>
    private static void AssertAnnounced(Bed bed, HostMove move, PacketSocket peer)
    {
        IPAddress address = move.Address ?? First;
        MacAddress mac = MacOf(bed, move.Master);
        if (!move.IsAnnounced)
        {
            AssertSilence(bed, move.Master, peer);
            return;
        }

        CapturedFrame? told = peer.WaitFor(IsAnnouncement);
        Assert.NotNull(told);
        Assert.Equal((mac, address), (told.View.SourceMac, told.View.Source));
        if (move.Name == "MAC")
        {
            Wait.Until(
                () => bed.Net.Out.Ip($"neigh show {address} dev {Topology.OutInterface}")
                    .Contains(mac.ToString(), StringComparison.OrdinalIgnoreCase),
                "the peer to know the new MAC");
            Assert.DoesNotContain(peer.Frames, frame => frame.Outgoing && address.Equals(frame.View.Destination));
        }
    }

    private static async Task AssertAllWellAsync(Bed bed, HostMove move, Namespace first, Namespace second, string? master)
    {
        IPAddress address = move.Address ?? First;
        await AssertTrafficAsync(bed, first, 31005, address);
        await AssertTrafficAsync(bed, second, 31006, address);
        await AssertReachesAsync(first, second, 31006, address);
        await AssertReachesAsync(second, first, 31005, address);
        foreach (string? key in new[] { master, null }.Distinct())
        {
            NetworkConfig config = bed.Config with { Master = key };
            foreach ((Namespace container, string id) in new[] { (first, "c1"), (second, "c2") })
            {
                PluginResult check = bed.Plugin.Check(container, id, config: config);
                if (move.Address is not null && !check.Succeeded)
                {
                    // The runtime's result of the ADD has the former address for ever.
                    Bed.Fails(check, 106, "prevResult: expected address 10.77.0.9/24, found 10.77.0.2/24", "1 difference ");
                }
                else
                {
                    check.Require();
                }
            }
        }

        Assert.Equal([true, true], Health(bed));
        Assert.All((string[])["c1", "c2"], id => Assert.Equal(move.Master, (string?)bed.Record(id)["host"]!["master"]));
    }

    private static void AssertHostIsAsBefore(Bed bed, HostMove move, string mac)
    {
        if (move.Undo is not null)
        {
            move.Undo(bed.Net, mac);
            bed.AssertClean();
            return;
        }

        HostChangeTests.AssertNoTrace(bed, storeIsGone: false);
        Assert.DoesNotContain("clsact", bed.Host.Tc("qdisc show dev eth0"), StringComparison.Ordinal);
        Assert.Empty(bed.Records);
        Assert.False(File.Exists(Path.Combine(bed.Store, "host.json")));
    }

    private static bool[] Health(Bed bed) =>
        [
            .. JsonNode.Parse(bed.Plugin.CommandLine("list", "--json").Require())!.AsArray()
                .OrderBy(one => (string?)one!["containerId"]).Select(one => (bool)one!["healthy"]!),
        ];

    private static async Task AssertTrafficAsync(Bed bed, Namespace container, int port, IPAddress? address, bool isSecondary = false)
    {
        IPAddress shared = address ?? First;
        await AssertReachesAsync(bed.Net.Out, container, port, shared);
        if (!isSecondary)
        {
            // The kernel's own route to a secondary address has the primary one as its source.
            await AssertReachesAsync(bed.Host, container, port, shared);
        }

        await AssertReachesAsync(bed.Host, container, port, IPAddress.Loopback);
        foreach ((Namespace place, IPAddress at) in new[] { (bed.Net.Out, bed.Net.RoutedAddress), (bed.Host, shared) })
        {
            using EchoServer server = EchoServer.Start(place, Transport.Tcp, at, 7007);
            ProbeResult result = await Probe.RunAsync(container, Transport.Tcp, server.EndPoint, new ProbeOptions { StreamBytes = 100_000 });
            Assert.True(result.Ok && shared.Equals(result.Peer?.Address), $"to {place}: {result}");
        }
    }

    private static async Task AssertReachesAsync(Namespace from, Namespace container, int port, IPAddress address)
    {
        using EchoServer server = EchoServer.Start(container, Transport.Tcp, IPAddress.Any, port);
        ProbeResult result = await Probe.RunAsync(from, Transport.Tcp, new IPEndPoint(address, port), new ProbeOptions { StreamBytes = 100_000 });
        Assert.True(result.Ok, $"{from} to {address}:{port}: {result}");
    }

    private static bool IsAnnouncement(CapturedFrame frame) =>
        frame is { Outgoing: false, View: { IsArp: true, Source: { } source } view } && source.Equals(view.Destination);

    private static MacAddress MacOf(Bed bed, string link) =>
        MacAddress.Parse((string)JsonNode.Parse(bed.Host.Ip($"-j link show dev {link}"))![0]!["address"]!);

    [GeneratedRegex("the host's lo| on (eth0|uplink0|lo): expected table|host sysctl net/ipv4/conf/lo/")]
    private static partial Regex Shared();

}
