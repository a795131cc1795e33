using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>
/// A checksum that is filled in behind the filters, over the port that they have seen. Each attack is tried twice: with the filter that guards
/// against it, and without, where it succeeds; else it would prove nothing that the first time nothing happens.
/// </summary>
public sealed class ChecksumPlaceTests
{
    private const string GuardPriority = "28780";
    private const int Header = 34;
    private const int HostilePort = 31100;

    // Of an IPv4 header in words: sixteen bytes more than the five that the kernel makes, which is as far as TCP's checksum is from its source port.
    private const int LongHeader = 9;

    /// <summary>
    /// A packet socket with PACKET_VNET_HDR names the place. Without the kernel's types a container has to switch its offloads on for that.
    /// </summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_packet_socket_cannot_have_it_filled_in_over_its_source_port(bool kernelTypes)
    {
        using Site site = new(2, kernelTypes: kernelTypes);
        DeviceFeatures.TakeOffloadsAway(site.Host, "eth0");
        DeviceFeatures.LeaveChecksums(site.C1.Place, "eth0");
        using PacketSocket wire = PacketSocket.Open(site.Out, Topology.OutInterface, frame => !frame.Outgoing && frame.View.IsUdp);
        using OffloadSocket c1 = OffloadSocket.Open(site.C1.Place, "eth0");
        using PacketSocket plain = PacketSocket.Open(site.C1.Place, "eth0");
        Mark Attack()
        {
            Mark mark = new();
            byte[] packet = Frames.Udp(site.AtHost(site.C1.Port), site.AtOut(), mark.Bytes);
            Assert.True(c1.TrySend(site.ToOut(packet), new Offload(Header, 0)));
            return mark;
        }

        Mark guarded = Attack();
        Mark finished = new();
        plain.Send(site.ToOut(Frames.Udp(site.AtHost(site.C1.Port), site.AtOut(), finished.Bytes)));
        Assert.NotNull(wire.WaitFor(finished.In));
        Assert.DoesNotContain(wire.Frames, guarded.In);

        TakeGuardAway(site, site.C1.HostEnd);
        Mark unguarded = Attack();
        CapturedFrame? left = wire.WaitFor(unguarded.In);
        Assert.NotNull(left);
        Assert.NotEqual(site.C1.Port, left.View.SourcePort);
        Assert.DoesNotContain(wire.Frames, guarded.In);

        // And CHECK tells that it is missing.
        PluginResult check = site.Plugin.Check(site.C1.Place, "c1");
        Assert.Contains("first filter", check.Output, StringComparison.Ordinal);
        site.Plugin.CommandLine("repair", "c1").Require();
        site.Plugin.Check(site.C1.Place, "c1").Require();
        Mark repaired = Attack();
        finished = new();
        plain.Send(site.ToOut(Frames.Udp(site.AtHost(site.C1.Port), site.AtOut(), finished.Bytes)));
        Assert.NotNull(wire.WaitFor(finished.In));
        Assert.DoesNotContain(wire.Frames, repaired.In);
    }

    /// <summary>
    /// A connection of the container's own kernel: no flag of its socket tells of it. Behind the stack nftables makes the IPv4 header four words
    /// longer, so that what the filters take for the source port is TCP's checksum, and writes an owned port there.
    /// </summary>
    [Theory]
    [InlineData("type filter hook postrouting priority 300", true)]
    [InlineData("type filter hook postrouting priority 300", false)]
    [InlineData("type filter hook egress device eth0 priority 0", true)]
    public void Root_of_a_user_namespace_cannot_move_the_port_to_where_it_is_filled_in(string hook, bool kernelTypes)
    {
        using Site site = new(1, kernelTypes: kernelTypes);
        DeviceFeatures.TakeOffloadsAway(site.Host, "eth0");
        using PacketSocket wire = PacketSocket.Open(
            site.Out, Topology.OutInterface, frame => !frame.Outgoing && frame.View.IsTcp && (frame.Data[14] & 15) == LongHeader);
        using EchoServer server = EchoServer.Start(site.Out, Transport.Tcp, site.OutAddress, Site.ServerPort);
        using Process container = site.Host.Start("unshare", "--user", "--map-root-user", "--net", "sleep", "1000");
        string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{container.Id}/ns/net");
        Wait.Until(
            () => new FileInfo(path).LinkTarget != new FileInfo("/proc/self/ns/net").LinkTarget
                && File.ReadAllText($"/proc/{container.Id}/comm").Trim() == "sleep",
            "the container");
        NetworkConfig config = site.Plugin.Config.WithPorts(HostilePort);
        PluginResult added = site.Plugin.Run(site.Plugin.Attachment("ADD", path, "hostile", config: config)).Require();
        string hostEnd = added.Member("interfaces")!.Value[0].GetProperty("name").GetString()!;
        string[] inside = [$"--target={container.Id}", "--user", "--net", "--preserve-credentials", "--"];
        string family = hook.Contains("egress", StringComparison.Ordinal) ? "netdev" : "ip";
        string connect = $"exec 3<>/dev/tcp/{site.OutAddress}/{Site.ServerPort}";
        CommandResult Inside(params string[] command) => CommandResult.Run("nsenter", [.. inside, .. command]);
        int Sent()
        {
            string listed = Inside("nft", "list", "counter", family, "attack", "sent").Require();
            return int.Parse(listed.Split("packets ")[1].Split(' ')[0], CultureInfo.InvariantCulture);
        }

        void Attack()
        {
            int before = Sent();
            using Process connection = site.Host.Start("nsenter", [.. inside, "bash", "-c", connect]);
            Wait.Until(() => Sent() > before, "a packet that nftables has changed");
            connection.Kill();
        }

        try
        {
            if (!kernelTypes)
            {
                Inside("ethtool", "-K", "eth0", "tx", "on").Require();
            }

            string change = $"@th,128,16 set {HostilePort} ip hdrlength set {LongHeader}";
            string rule = $"ip daddr {site.OutAddress} tcp flags syn / syn,ack {change} counter name sent";
            Inside("nft", $"table {family} attack {{ counter sent {{ }}; chain c {{ {hook}; policy accept; {rule}; }}; }}").Require();
            Attack();

            // What was sent before a neighbour's packet would have come out before it.
            using (PacketSocket neighbour = PacketSocket.Open(site.C1.Place, "eth0"))
            using (PacketSocket others = PacketSocket.Open(site.Out, Topology.OutInterface, frame => !frame.Outgoing && frame.View.IsUdp))
            {
                Mark mark = new();
                neighbour.Send(site.ToOut(Frames.Udp(site.AtHost(site.C1.Port), site.AtOut(), mark.Bytes)));
                Assert.NotNull(others.WaitFor(mark.In));
            }

            Assert.Empty(wire.Frames);
            TakeGuardAway(site, hostEnd);
            Attack();
            CapturedFrame? left = wire.WaitFor(_ => true);
            Assert.NotNull(left);
            Assert.NotEqual(HostilePort, BinaryPrimitives.ReadUInt16BigEndian(left.Data.AsSpan(14 + (LongHeader * 4))));
        }
        finally
        {
            site.Plugin.Run(site.Plugin.Attachment("DEL", path, "hostile")).Require();
            container.Kill();
        }
    }

    /// <summary>What a kernel without types costs is speed, and nothing else.</summary>
    [Fact]
    public async Task Without_the_kernels_types_a_container_computes_its_checksums_and_all_ways_are_open()
    {
        using Site site = new(2, kernelTypes: false);
        IReadOnlyList<MatrixCase> cases = await ProbeMatrix.RunAsync(
            site.Topology, site.C1.InMatrix("C1"), site.C2.InMatrix("C2"), new MatrixOptions { Bulk = true });
        Assert.Equal("", ProbeMatrix.Failures(cases));
        Assert.True(cases.Count >= 70, $"{cases.Count} probes");
        site.Plugin.Check(site.C1.Place, "c1").Require();
        Assert.Contains("compute the checksums", site.Plugin.CommandLine("doctor").Output, StringComparison.Ordinal);

        DeviceFeatures.LeaveChecksums(site.C1.Place, "eth0");
        PluginResult check = site.Plugin.Check(site.C1.Place, "c1");
        Assert.Contains("transmit checksums of eth0", check.Output, StringComparison.Ordinal);
        site.Plugin.CommandLine("repair", "c1").Require();
        site.Plugin.Check(site.C1.Place, "c1").Require();
        site.AssertQuiet();
    }

    private static void TakeGuardAway(Site site, string hostEnd) => site.Host.Tc($"filter del dev {hostEnd} ingress pref {GuardPriority}");
}
