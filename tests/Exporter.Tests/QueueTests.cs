using System.Net;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Exporter.KernelTests;

/// <summary>The queues of limits and what the filters drop, beside what the kernel itself says of them.</summary>
public sealed class QueueTests
{
    private const string Egress = "bw_limit";
    private const string Ingress = "ingress_bw_limit";

    private static readonly string[] Counters = ["bytes", "packets", "drops", "overlimits", "requeues", "backlog", "qlen"];

    [Fact]
    public async Task Counters_are_those_that_tc_shows()
    {
        using Site site = new(Limited);
        Namespace container = site.Add("c1", "PORTS=31005");
        using (EchoServer server = EchoServer.Start(container, Transport.Tcp, IPAddress.Any, 31005))
        {
            ProbeResult sent = await Probe.RunAsync(
                site.Topology.Out, Transport.Tcp, new IPEndPoint(site.Topology.HostAddress, 31005), ProbeOptions.Bulk with { StreamBytes = 4 << 20 });
            Assert.True(sent.Ok, sent.ToString());
        }

        // The kernel's own before and after must agree: then no packet came between, such as a neighbour's probe.
        Dictionary<string, JsonNode> expected = [];
        JsonArray told = [];
        string metrics = "";
        Wait.Until(
            () =>
            {
                expected = Kernel(site, container);
                told = site.Statistics("c1")["net_traffic_control_statistics"]!.AsArray();
                metrics = site.Get("/metrics");
                return Text(expected) == Text(Kernel(site, container));
            },
            "a moment without packets");

        Assert.Equal(expected.Keys, told.Select(one => (string)one!["id"]!).Order(StringComparer.Ordinal));
        foreach (JsonNode? one in told)
        {
            string id = (string)one!["id"]!;
            Assert.All(Counters, name => Assert.Equal((id, name, (ulong)expected[id][name]!), (id, name, (ulong)one[name]!)));
            Assert.Equal((0, 0), ((int)one["ratebps"]!, (int)one["ratepps"]!));
            foreach ((string metric, string name) in new[]
                     {
                         ("bytes_total", "bytes"), ("packets_total", "packets"), ("drops_total", "drops"), ("overlimits_total", "overlimits"),
                         ("requeues_total", "requeues"), ("backlog_bytes", "backlog"), ("queue_packets", "qlen"),
                     })
            {
                Assert.Contains($"\nportmap_qdisc_{metric}{{container_id=\"c1\",network=\"testnet\",qdisc=\"{id}\"}} {one[name]}\n", metrics, StringComparison.Ordinal);
            }
        }

        Assert.True((ulong)expected[Egress]["bytes"]! > 4 << 20, Text(expected));
        Assert.True((ulong)expected[Ingress]["bytes"]! > 4 << 20, Text(expected));
        Assert.True((ulong)expected[Ingress]["overlimits"]! > 0, Text(expected));
    }

    [Fact]
    public void A_limit_that_was_taken_off_is_told_of()
    {
        using Site site = new(Limited);
        Namespace container = site.Add("c1");
        site.Add("c2");
        Assert.Equal((1, 1, 0), InForce(site, "c1"));

        site.Topology.Host.Tc($"qdisc del dev {site.HostInterface("c1")} root");
        Assert.Equal((1, 0, 1), InForce(site, "c1"));
        Assert.Equal("the limit of what it receives is not in force: the shaper is missing", (string?)Assert.Single(site.Shown("c1")["warnings"]!.AsArray()));
        Assert.DoesNotContain(Ingress, Ids(site, "c1"));
        Assert.Contains(Egress, Ids(site, "c1"));

        container.Tc("qdisc del dev eth0 root");
        Assert.Equal((0, 0, 2), InForce(site, "c1"));
        Assert.Contains("the limit of what it sends is not in force: the shaper is missing", site.Shown("c1")["warnings"]!.AsArray().Select(one => (string)one!));
        Assert.Null(site.Statistics("c1")["net_traffic_control_statistics"]);
        Assert.Null(site.Metric("portmap_qdisc_bytes_total", "c1", ("qdisc", Egress)));

        // The limit itself is still the container's to have.
        Assert.Equal(5_000_000, (long)site.Statistics("c1")["net_rx_rate_limit"]!);
        Assert.Equal((1, 1, 0), InForce(site, "c2"));
        CommandResult restored = site.Plugin.CommandLine("update", "c1", "--egress-rate", "2000000", "--ingress-rate", "5000000");
        Assert.True(restored.ExitCode == 0, restored.ToString());
        Assert.Equal((1, 1, 0), InForce(site, "c1"));
    }

    [Fact]
    public void Without_a_limit_nothing_is_in_force_or_missing()
    {
        using Site site = new();
        site.Add("c1");
        Assert.Null(site.Metric("portmap_limit_in_force", "c1", ("direction", "egress")));
        Assert.Null(site.Metric("portmap_limit_in_force", "c1", ("direction", "ingress")));
        Assert.Null(site.Statistics("c1")["net_traffic_control_statistics"]);
        Assert.Empty(site.Shown("c1")["warnings"]!.AsArray());
    }

    [Fact]
    public void Packets_from_ports_or_addresses_that_are_not_its_own_are_counted_one_by_one()
    {
        const int Count = 137;
        using Site site = new();
        Namespace container = site.Add("c1", "PORTS=31005");
        site.Add("c2");
        IPEndPoint outside = new(site.Topology.OutAddress, 7777);
        int slice = site.Slice("c1").Begin;

        // The neighbour is known afterwards, and what is owned is not counted.
        Site.Send(container, 31005, outside, Count);
        Site.Send(container, slice, outside, Count);
        AssertReceived(2 * Count);
        Assert.Equal(0, Foreign("c1"));

        Site.Send(container, 31006, outside, Count);
        Wait.Until(() => Foreign("c1") >= Count, "the drops to be counted");
        Assert.Equal(Count, Foreign("c1"));
        Assert.Equal(Count, (int)site.Shown("c1")["foreignSourcePackets"]!);

        // With a port of its own, but from an address that is not.
        using (PacketSocket spoofer = PacketSocket.Open(container, "eth0", _ => false))
        {
            for (int i = 0; i < 10; i++)
            {
                spoofer.Send(Frames.Ethernet(
                    site.Topology.OutMac, site.Topology.HostMac, Frames.EtherTypeIPv4, Frames.Udp(new IPEndPoint(IPAddress.Parse("10.77.0.99"), 31005), outside, new byte[100])));
            }
        }

        Wait.Until(() => Foreign("c1") >= Count + 10, "the spoofed packets to be counted");
        Site.Send(container, 31005, outside, Count);
        AssertReceived(3 * Count);
        Assert.Equal(Count + 10, Foreign("c1"));
        Assert.Equal(0, Foreign("c2"));

        double? Foreign(string id) => site.Metric("portmap_foreign_source_packets_total", id);

        // What is in here has left the container, and what was sent before has been judged.
        void AssertReceived(int datagrams) => Wait.Until(
            () => site.Topology.Out.Run(() => File.ReadAllLines("/proc/thread-self/net/snmp")).Last(line => line.StartsWith("Udp: ", StringComparison.Ordinal)).Split(' ')[2]
                == datagrams.ToString(),
            $"{datagrams} datagrams outside");
    }

    private static NetworkConfig Limited(NetworkConfig config) => config.With("egressRateLimitPerContainer", 2_000_000).With("ingressRateLimitPerContainer", 5_000_000);

    private static (int Egress, int Ingress, int Warnings) InForce(Site site, string id) => (
        (int)site.Metric("portmap_limit_in_force", id, ("direction", "egress"))!,
        (int)site.Metric("portmap_limit_in_force", id, ("direction", "ingress"))!,
        site.Shown(id)["warnings"]!.AsArray().Count);

    private static IEnumerable<string> Ids(Site site, string id) => site.Statistics(id)["net_traffic_control_statistics"]!.AsArray().Select(one => (string)one!["id"]!);

    private static string Text(Dictionary<string, JsonNode> queues) => string.Join('\n', queues.Select(one => $"{one.Key} {one.Value.ToJsonString()}"));

    /// <summary>What tc says, by the names that a Mesos agent has for it; without fq_codel where this kernel has none.</summary>
    private static Dictionary<string, JsonNode> Kernel(Site site, Namespace container)
    {
        Dictionary<string, JsonNode> found = [];
        Add(container, "eth0", "");
        Add(site.Topology.Host, site.HostInterface("c1"), "ingress_");
        return found.OrderBy(one => one.Key, StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal);

        void Add(Namespace place, string device, string prefix)
        {
            foreach (JsonNode? qdisc in JsonNode.Parse(place.Tc($"-s -j qdisc show dev {device}"))!.AsArray())
            {
                if ((string?)qdisc!["kind"] is "htb" or "fq_codel")
                {
                    found.Add(prefix + ((string?)qdisc["kind"] == "htb" ? Egress : "bloat_reduction"), qdisc);
                }
            }
        }
    }
}
