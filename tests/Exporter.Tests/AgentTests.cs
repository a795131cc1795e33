using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Exporter.KernelTests;

/// <summary>The statistics of a Mesos agent, for those who read them already; with all options on.</summary>
public sealed class AgentTests
{
    /// <summary>ResourceStatistics and its parts in Mesos' include/mesos/mesos.proto; those that an agent fills from the network, cpu and memory isolators.</summary>
    private static readonly Dictionary<string, string[]> Fields = new()
    {
        [""] = Words("""
            timestamp processes threads cpus_user_time_secs cpus_system_time_secs cpus_limit cpus_nr_periods cpus_nr_throttled cpus_throttled_time_secs
            mem_total_bytes mem_total_memsw_bytes mem_limit_bytes mem_soft_limit_bytes mem_file_bytes mem_anon_bytes mem_cache_bytes mem_rss_bytes
            mem_mapped_file_bytes mem_swap_bytes mem_unevictable_bytes mem_low_pressure_counter mem_medium_pressure_counter mem_critical_pressure_counter
            disk_limit_bytes disk_used_bytes perf net_rx_packets net_rx_bytes net_rx_errors net_rx_dropped net_tx_packets net_tx_bytes net_tx_errors
            net_tx_dropped net_tcp_rtt_microsecs_p50 net_tcp_rtt_microsecs_p90 net_tcp_rtt_microsecs_p95 net_tcp_rtt_microsecs_p99
            net_tcp_active_connections net_tcp_time_wait_connections net_traffic_control_statistics net_snmp_statistics net_rate_statistics
            net_rx_rate_limit net_rx_burst_rate_limit net_rx_burst_size net_tx_rate_limit net_tx_burst_rate_limit net_tx_burst_size net_ephemeral_ports
            """),
        ["net_ephemeral_ports"] = ["begin", "end"],
        ["net_traffic_control_statistics"] = Words("id backlog bytes drops overlimits packets qlen ratebps ratepps requeues"),
        ["net_snmp_statistics"] = Words("ip_stats icmp_stats tcp_stats udp_stats"),
        ["net_snmp_statistics.ip_stats"] = Words("""
            Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes
            ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates
            """),
        ["net_snmp_statistics.icmp_stats"] = Words("""
            InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps InTimestamps InTimestampReps
            InAddrMasks InAddrMaskReps OutMsgs OutErrors OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps
            OutTimestamps OutTimestampReps OutAddrMasks OutAddrMaskReps
            """),
        ["net_snmp_statistics.tcp_stats"] = Words("""
            RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors
            """),
        ["net_snmp_statistics.udp_stats"] = Words("InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti"),
        ["net_rate_statistics"] = Words("""
            rx_rate rx_packet_rate rx_drop_rate rx_error_rate tx_rate tx_packet_rate tx_drop_rate tx_error_rate sampling_window_secs sampling_interval_secs
            """),
    };

    private static readonly string[] Percentiles = Words("min max p50 p90 p95 p99 p999 p9999 samples");

    /// <summary>The example in Mesos' documentation of the isolator (docs/isolators/network-port-mapping.md): strings, arrays, objects; else numbers, of which these have a fraction.</summary>
    private static readonly string[] Fractions = Words("""
        cpus_limit cpus_system_time_secs cpus_throttled_time_secs cpus_user_time_secs timestamp net_tcp_rtt_microsecs_p50 net_tcp_rtt_microsecs_p90
        net_tcp_rtt_microsecs_p95 net_tcp_rtt_microsecs_p99
        """);

    private static readonly string[] AllOptions =
        ["--socket-statistics", "details", "--snmp", "--port-statistics", "--rate-window", "3", "--rate-interval", "0.1"];

    [Fact]
    public async Task Names_and_types_are_those_that_its_readers_know()
    {
        using Site site = new(Limited, AllOptions);
        Namespace container = site.Add("c1", "PORTS=31005");
        using EchoServer server = EchoServer.Start(container, Transport.Tcp, IPAddress.Any, 31005);
        using var kept = await ConnectAsync(site);
        Wait.Until(() => site.Statistics("c1")["net_rate_statistics"]?["rx_rate"] is not null, "rates");

        JsonNode element = site.Element("c1");
        Assert.Equal(["executor_id", "executor_name", "framework_id", "source", "statistics"], Names(element));
        Assert.All(Names(element).SkipLast(1), name => Assert.Equal((name, JsonValueKind.String), (name, element[name]!.GetValueKind())));
        JsonObject statistics = element["statistics"]!.AsObject();
        Assert.Empty(Names(statistics).Except(Fields[""]));
        foreach ((string name, JsonNode? value) in statistics)
        {
            switch (name)
            {
                case "net_traffic_control_statistics":
                    Assert.All(value!.AsArray(), one =>
                    {
                        Assert.Equal(Fields[name].Order(StringComparer.Ordinal), Names(one!).Order(StringComparer.Ordinal));
                        Assert.Equal(JsonValueKind.String, one!["id"]!.GetValueKind());
                        Assert.All(Fields[name].Skip(1), field => AssertWhole(field, one[field]!));
                    });
                    break;
                case "net_snmp_statistics":
                    Assert.Equal(Fields[name], Names(value!));
                    Assert.All(value!.AsObject(), table =>
                    {
                        Assert.Empty(Names(table.Value!).Except(Fields[$"{name}.{table.Key}"]));
                        Assert.All(table.Value!.AsObject(), field => AssertWhole(field.Key, field.Value!));
                    });
                    break;
                case "net_rate_statistics":
                    Assert.Equal(Fields[name].Order(StringComparer.Ordinal), Names(value!).Order(StringComparer.Ordinal));
                    Assert.All(Fields[name].SkipLast(2), rate =>
                    {
                        Assert.Equal(Percentiles, Names(value![rate]!));
                        Assert.All(Percentiles, field => Assert.Equal(JsonValueKind.Number, value[rate]![field]!.GetValueKind()));
                        AssertWhole("samples", value[rate]!["samples"]!);
                    });
                    Assert.Equal((3.0, 0.1), ((double)value!["sampling_window_secs"]!, (double)value["sampling_interval_secs"]!));
                    break;
                case "net_ephemeral_ports":
                    Assert.Equal(Fields[name], Names(value!));
                    Assert.All(Fields[name], field => AssertWhole(field, value![field]!));
                    break;
                case var _ when Fractions.Contains(name):
                    Assert.Equal((name, JsonValueKind.Number), (name, value!.GetValueKind()));
                    break;
                default:
                    AssertWhole(name, value!);
                    break;
            }
        }

        // What the network tells is all there.
        string[] missing = [.. Fields[""].Where(name => name.StartsWith("net_", StringComparison.Ordinal) && !statistics.ContainsKey(name))];
        Assert.Empty(missing);
    }

    [Fact]
    public async Task Rates_are_those_of_the_window()
    {
        const int Window = 3;
        Stopwatch watch = Stopwatch.StartNew();
        using Site site = new(options: ["--rate-window", $"{Window}", "--rate-interval", "0.1"]);
        Namespace container = site.Add("c1", "PORTS=31005");
        site.Add("idle");
        using EchoServer server = EchoServer.Start(container, Transport.Tcp, IPAddress.Any, 31005);
        List<int> first = [];
        Wait.Until(
            () =>
            {
                int samples = (int?)Rates(site, "c1")?["rx_rate"]?["samples"] ?? 0;
                if (watch.Elapsed.TotalSeconds < Window)
                {
                    first.Add(samples);
                }

                return samples >= 10;
            },
            "the samples of a window");

        // Before the first window is over none leaves it; later there are fewer now and then, where a busy machine lets the timer wait.
        Assert.Equal(first.Order(), first);

        // More than 1 MB/s for at least one of the samples, whatever else this machine does.
        for (JsonNode? rates = null; (double?)rates?["rx_rate"]!["max"] is not > 1e6; rates = Rates(site, "c1"))
        {
            ProbeResult sent = await Probe.RunAsync(site.Topology.Out, Transport.Tcp, new IPEndPoint(site.Topology.HostAddress, 31005), ProbeOptions.Bulk);
            Assert.True(sent.Ok, sent.ToString());
        }

        JsonNode busy = Rates(site, "c1")!;
        Assert.True((double)busy["tx_rate"]!["max"]! > 1e5 && (double)busy["rx_packet_rate"]!["max"]! > 100, busy.ToJsonString());
        Assert.Equal(0, (double)busy["rx_drop_rate"]!["max"]!);
        Assert.InRange((int)busy["rx_rate"]!["samples"]!, 2, 30);
        foreach (string name in new[] { "rx_rate", "tx_rate", "rx_packet_rate" })
        {
            double[] ordered = [.. new[] { "min", "p50", "p90", "p95", "p99", "p999", "p9999", "max" }.Select(one => (double)busy[name]![one]!)];
            Assert.Equal(ordered.Order(), ordered);
        }

        Assert.True((double)Rates(site, "idle")!["rx_rate"]!["max"]! < 1e5);
        Wait.Until(() => (double)Rates(site, "c1")!["rx_rate"]!["max"]! < 1e5, "the traffic to leave the window");

        static JsonNode? Rates(Site site, string id) => site.Statistics(id)["net_rate_statistics"];
    }

    [Theory]
    [InlineData("NOMAD_JOB_NAME=shop;NOMAD_GROUP_NAME=web;NOMAD_JOB_ID=shop/dispatch-1;NOMAD_TASK_NAME=server", "shop", "web", "web")]
    [InlineData("NOMAD_JOB_ID=shop/dispatch-1;NOMAD_TASK_NAME=server", "shop/dispatch-1", "server", "server")]
    [InlineData("IgnoreUnknown=true;NOMAD_NAMESPACE=default", "", "", "c1")]
    public void Names_that_Nomad_gives_stand_with_the_container(string arguments, string job, string task, string executor)
    {
        using Site site = new();
        site.Add("c1", arguments);
        Assert.Contains($",nomad_job=\"{job}\",nomad_task=\"{task}\"}} 1\n", site.Get("/metrics"), StringComparison.Ordinal);
        Assert.Equal(executor, (string?)site.Element("c1")["executor_name"]);
    }

    [Fact]
    public void Nothing_is_changed_by_who_looks()
    {
        using Site site = new(Limited, AllOptions);
        Namespace[] containers = [site.Add("c1", "PORTS=31005"), site.Add("c2")];
        File.WriteAllText(Path.Combine(site.Store, "pmi0123456789ab.json"), "{");
        string before = State();
        for (int i = 0; i < 10; i++)
        {
            foreach (string path in new[] { "/metrics", "/monitor/statistics", "/monitor/statistics.json", "/containers.json", "/healthz", "/" })
            {
                Assert.NotEmpty(site.Get(path));
            }
        }

        Assert.Equal(before, State());
        Assert.Equal(0, site.Exporter.EndBy("TERM"));
        Assert.Equal(before, State());
        Assert.All(containers, (container, i) => site.Plugin.Check(container, $"c{i + 1}", arguments: i == 0 ? "PORTS=31005" : null).Require());

        // What is written and what is in the kernel, down to when a file was changed.
        string State() => string.Join('\n',
            [
                .. containers.Prepend(site.Topology.Host).Select(place => KernelState.Snapshot(place).Text),
                .. new DirectoryInfo(site.Store).EnumerateFileSystemInfos("*", SearchOption.AllDirectories).OrderBy(file => file.FullName, StringComparer.Ordinal)
                    .Select(file => $"{file.FullName} {file.UnixFileMode} {file.LastWriteTimeUtc:O} {Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file.FullName)))}"),
                $"{Directory.GetLastWriteTimeUtc(site.Store):O} {File.GetUnixFileMode(site.Store)}",
            ]);
    }

    private static NetworkConfig Limited(NetworkConfig config) => config
        .With("egressRateLimitPerContainer", 20_000_000).With("egressCeilLimit", 30_000_000)
        .With("ingressRateLimitPerContainer", 50_000_000).With("ingressCeilLimit", 60_000_000);

    /// <summary>A connection of the container's that is kept open, and whose round trips were measured.</summary>
    private static async Task<TcpClient> ConnectAsync(Site site)
    {
        TcpClient client = site.Topology.Out.Run(() => new TcpClient(AddressFamily.InterNetwork));
        await client.ConnectAsync(new IPEndPoint(site.Topology.HostAddress, 31005));
        byte[] greeting = new byte[1];
        await client.GetStream().ReadExactlyAsync(greeting);
        return client;
    }

    /// <summary>An integer of a protobuf message: readers refuse a fraction or an exponent.</summary>
    private static void AssertWhole(string name, JsonNode value)
    {
        Assert.Equal((name, JsonValueKind.Number), (name, value.GetValueKind()));
        Assert.Matches("^-?[0-9]+$", value.ToJsonString());
    }

    private static string[] Names(JsonNode value) => [.. value.AsObject().Select(one => one.Key)];

    private static string[] Words(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
}
