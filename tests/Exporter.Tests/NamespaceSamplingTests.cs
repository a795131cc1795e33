using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Exporter.KernelTests;

/// <summary>What the published program tells of the inside of containers, while they have real connections.</summary>
public sealed class NamespaceSamplingTests : IDisposable
{
    private const int Port = 31005;
    private const string Prefix = "portmap_";

    private readonly Topology _net = new();
    private readonly Plugin _plugin;
    private readonly Namespace _first;
    private readonly Namespace _second;
    private readonly ExporterProcess _exporter;

    public NamespaceSamplingTests()
    {
        try
        {
            _plugin = new Plugin(_net);
            _first = _net.AddContainerNamespace(loopbackUp: true);
            _second = _net.AddContainerNamespace();
            _plugin.Add(_first, "first", config: _plugin.Config.WithPorts(Port)).Require();
            _plugin.Add(_second, "second").Require();
            _exporter = ExporterProcess.Start(_net.Host, Store, "--socket-statistics", "details", "--snmp");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private string Store => _plugin.Config.StateDirectory!;

    public void Dispose()
    {
        _exporter?.Dispose();
        _net.Dispose();
    }

    [Fact]
    public void Connections_are_those_that_ss_finds()
    {
        using EchoServer server = EchoServer.Start(_net.Out, Transport.Tcp, IPAddress.Any, 7777);
        using TcpListener listener = Listen(IPAddress.Any, Port);
        using Socket kept = Connect(_first, new IPEndPoint(_net.OutAddress, 7777));
        using (Socket brief = Connect(_first, new IPEndPoint(_net.OutAddress, 7777)))
        {
            // Who ends first, waits; but who leaves something unread, resets.
            brief.Shutdown(SocketShutdown.Send);
            byte[] rest = new byte[1024];
            while (brief.Receive(rest) > 0)
            {
            }
        }

        Wait.Until(
            () => Statistics("first") is var found
                && (int)found["net_tcp_active_connections"]! == Count("-4", "exclude", "time-wait")
                && (int)found["net_tcp_time_wait_connections"]! == Count("-4", "state", "time-wait")
                && (int)found["net_tcp_active_connections"]! == 2
                && (int)found["net_tcp_time_wait_connections"]! == 1,
            "the same connections");
        Assert.Equal(0, (int)Statistics("second")["net_tcp_active_connections"]!);
    }

    [Fact]
    public void Round_trips_are_told_of_who_has_connections()
    {
        Assert.Null(Statistics("first")["net_tcp_rtt_microsecs_p50"]);
        using EchoServer server = EchoServer.Start(_net.Out, Transport.Tcp, IPAddress.Any, 7777);
        using Socket socket = Connect(_first, new IPEndPoint(_net.OutAddress, 7777));
        JsonNode statistics = Statistics("first");
        double[] percentiles = [.. new[] { "p50", "p90", "p95", "p99" }.Select(name => (double)statistics["net_tcp_rtt_microsecs_" + name]!)];
        Assert.All(percentiles, time => Assert.InRange(time, 1, 1e7));
        Assert.Equal(percentiles.Order(), percentiles);
        Assert.NotNull(Metric("tcp_rtt_seconds", "first", ",quantile=\"0.99\""));
        Assert.Null(Metric("tcp_rtt_seconds", "second", ",quantile=\"0.99\""));
    }

    [Fact]
    public void Connections_of_sockets_of_the_other_family_count_among_round_trips_and_ports()
    {
        using EchoServer server = EchoServer.Start(_net.Out, Transport.Tcp, IPAddress.Any, 7777);
        using Socket socket = _first.Run(() =>
        {
            Socket both = new(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
            both.Connect(new IPEndPoint(_net.OutAddress.MapToIPv6(), 7777));
            return both;
        });
        Assert.NotNull(Statistics("first")["net_tcp_rtt_microsecs_p50"]);
        Assert.Equal(1, Metric("container_ephemeral_ports_in_use", "first"));
    }

    [Fact]
    public void Segments_that_get_no_answer_are_counted_as_sent_again()
    {
        using EchoServer server = EchoServer.Start(_net.Out, Transport.Tcp, IPAddress.Any, 7777);
        using Socket socket = Connect(_first, new IPEndPoint(_net.OutAddress, 7777));
        double before = Metric("tcp_retransmitted_segments_total", "first")!.Value;

        // The host's link stays up and nobody takes what it sends.
        _net.Out.Ip($"address delete {_net.OutAddress}/24 dev {Topology.OutInterface}");
        socket.Send(new byte[1000]);
        Wait.Until(() => Metric("tcp_retransmitted_segments_total", "first") > before, "a retransmission");
        Assert.Equal(0, Metric("tcp_retransmitted_segments_total", "second"));
    }

    [Fact]
    public void Ephemeral_ports_in_use_are_counted_once_each()
    {
        Assert.Equal((1024, 0), (Metric("container_ephemeral_ports", "first"), Metric("container_ephemeral_ports_in_use", "first")));
        using EchoServer server = EchoServer.Start(_net.Out, Transport.Tcp, IPAddress.Any, 7777);
        using Socket tcp = Connect(_first, new IPEndPoint(_net.OutAddress, 7777));
        int port = ((IPEndPoint)tcp.LocalEndPoint!).Port;
        using Socket same = _first.Run(() => Bind(ProtocolType.Udp, IPAddress.Any, port));
        using Socket other = _first.Run(() => Bind(ProtocolType.Udp, IPAddress.Any, 0));
        Assert.Equal(((IPEndPoint)other.LocalEndPoint!).Port == port ? 1 : 2, Metric("container_ephemeral_ports_in_use", "first"));
        Assert.Equal(0, Metric("unowned_sockets", "first"));
    }

    [Fact]
    public void Who_listens_on_what_it_does_not_own_is_told()
    {
        using TcpListener owned = Listen(IPAddress.Any, Port);
        using TcpListener unowned = Listen(IPAddress.Any, 5000);
        using TcpListener inside = Listen(IPAddress.Loopback, 5001);
        using TcpListener six = _first.Run(() =>
        {
            TcpListener made = TcpListener.Create(5002);
            made.Start();
            return made;
        });
        using Socket udp = _first.Run(() => Bind(ProtocolType.Udp, IPAddress.Any, 5000));
        using Socket ownedUdp = _first.Run(() => Bind(ProtocolType.Udp, IPAddress.Any, Port));
        using Socket connected = _first.Run(() =>
        {
            Socket made = Bind(ProtocolType.Udp, IPAddress.Any, 5003);
            made.Connect(_net.OutAddress, 7777);
            return made;
        });
        Assert.Equal(4, Metric("unowned_sockets", "first"));
        Assert.Equal(0, Metric("unowned_sockets", "second"));
    }

    [Fact]
    public void Protocols_are_those_of_the_container()
    {
        _first.Execute("ping", "-c", "1", "-W", "1", _net.OutAddress.ToString());
        string text = "";
        JsonNode found = null!;
        Wait.Until(
            () =>
            {
                text = Protocols();
                found = Statistics("first")["net_snmp_statistics"]!;
                return text == Protocols();
            },
            "a moment without packets");
        int compared = 0;
        foreach ((string table, string ours) in new[] { ("Ip", "ip_stats"), ("Icmp", "icmp_stats"), ("Tcp", "tcp_stats"), ("Udp", "udp_stats") })
        {
            string[][] lines = [.. text.Split('\n').Where(line => line.StartsWith(table + ":", StringComparison.Ordinal)).Select(line => line.Split(' '))];
            foreach ((string name, JsonNode? value) in found[ours]!.AsObject())
            {
                Assert.Equal((name, lines[1][Array.IndexOf(lines[0], name)]), (name, value!.ToJsonString()));
                compared++;
            }
        }

        Assert.True(compared >= 60, found.ToJsonString());
        Assert.True((long)found["icmp_stats"]!["OutEchos"]! >= 1);
    }

    [Fact]
    public async Task The_texts_are_clean()
    {
        using EchoServer server = EchoServer.Start(_net.Out, Transport.Tcp, IPAddress.Any, 7777);
        using Socket socket = Connect(_first, new IPEndPoint(_net.OutAddress, 7777));
        CommandResult check = await _net.Host.ExecuteAsync(Tools.Promtool, ["check", "metrics"], Text());
        Assert.True(check is { ExitCode: 0, Output: "", Error: "" }, check.ToString());
    }

    [Fact]
    public void A_deleted_namespace_is_freed_though_nobody_asks()
    {
        Assert.NotNull(Metric("tcp_retransmitted_segments_total", "second"));
        string link = Path.GetFileNameWithoutExtension(Record("second"));
        Assert.Contains(link, _net.Host.Ip("-o link show"), StringComparison.Ordinal);
        _second.Dispose();
        Wait.Until(() => !_net.Host.Ip("-o link show").Contains(link, StringComparison.Ordinal), "the kernel to free the namespace");
    }

    [Fact]
    public void A_namespace_that_cannot_be_entered_leaves_the_rest()
    {
        string file = Path.Combine(_net.StateDirectory, "no-namespace");
        File.WriteAllText(file, "");
        JsonObject record = JsonNode.Parse(File.ReadAllText(Record("second")))!.AsObject();
        record["namespace"]!["path"] = file;
        File.WriteAllText(Record("second"), record.ToJsonString());
        for (int i = 0; i < 3; i++)
        {
            Assert.NotNull(Metric("tcp_retransmitted_segments_total", "first"));
            Assert.Null(Metric("tcp_retransmitted_segments_total", "second"));
            Assert.NotNull(Metric("network_receive_bytes_total", "second"));
        }

        JsonNode statistics = Statistics("second");
        Assert.Null(statistics["net_tcp_active_connections"]);
        Assert.Null(statistics["net_snmp_statistics"]);
        Assert.NotNull(statistics["net_rx_bytes"]);
        Assert.Contains("\nportmap_scrape_errors_total{source=\"namespaces\"} 1\n", Text(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_namespace_is_entered_once()
    {
        Text();
        string log = Path.Combine(_net.StateDirectory, "setns");
        using Process strace = Process.Start(new ProcessStartInfo("strace", ["-f", "-e", "trace=setns", "-o", log, "-p", _exporter.Id.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardError = true,
        })!;
        try
        {
            Assert.Contains("attached", strace.StandardError.ReadLine(), StringComparison.Ordinal);
            for (int i = 0; i < 5; i++)
            {
                Text();
            }

            // That one is entered shows that strace would have told.
            _plugin.Add(_net.AddContainerNamespace(), "third").Require();
            for (int i = 0; i < 3; i++)
            {
                Assert.NotNull(Metric("tcp_retransmitted_segments_total", "third"));
            }
        }
        finally
        {
            _net.Host.Execute("sh", "-c", $"kill -INT {strace.Id}");
            strace.WaitForExit();
        }

        Assert.Equal(1, File.ReadLines(log).Count(line => line.Contains("setns(", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Without_options_nothing_is_open_and_with_a_summary_two_files_for_each_container()
    {
        _exporter.EndBy("TERM");
        using (ExporterProcess plain = ExporterProcess.Start(_net.Host, Store))
        {
            string text = await plain.Client.GetStringAsync("/metrics");
            Assert.Contains("portmap_network_receive_bytes", text, StringComparison.Ordinal);
            Assert.DoesNotContain("portmap_tcp", text, StringComparison.Ordinal);
            Assert.DoesNotContain("portmap_snmp", text, StringComparison.Ordinal);
            Assert.Equal(0, Foreign(plain));
        }

        using (ExporterProcess summary = ExporterProcess.Start(_net.Host, Store, "--socket-statistics", "summary"))
        {
            string text = await summary.Client.GetStringAsync("/metrics");
            Assert.Contains("portmap_tcp_sockets{container_id=\"first\",network=\"testnet\",state=\"active\"} 0\n", text, StringComparison.Ordinal);
            Assert.Contains("portmap_tcp_retransmitted_segments_total", text, StringComparison.Ordinal);
            Assert.DoesNotContain("portmap_unowned", text, StringComparison.Ordinal);
            Assert.DoesNotContain("portmap_snmp", text, StringComparison.Ordinal);
            Assert.Equal(4, Foreign(summary));
        }
    }

    /// <summary>Open files below /proc/net: the exporter has none of its own namespace's.</summary>
    private static int Foreign(ExporterProcess exporter) => Directory.GetFiles($"/proc/{exporter.Id}/fd")
        .Count(one => File.ResolveLinkTarget(one, false)?.FullName.Contains("/net/s", StringComparison.Ordinal) == true);

    private static Socket Bind(ProtocolType protocol, IPAddress address, int port)
    {
        Socket socket = new(AddressFamily.InterNetwork, protocol == ProtocolType.Udp ? SocketType.Dgram : SocketType.Stream, protocol);
        socket.Bind(new IPEndPoint(address, port));
        return socket;
    }

    private static Socket Connect(Namespace place, IPEndPoint to) => place.Run(() =>
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(to);
        return socket;
    });

    private TcpListener Listen(IPAddress address, int port) => _first.Run(() =>
    {
        TcpListener listener = new(address, port);
        listener.Start();
        return listener;
    });

    private int Count(params string[] which) =>
        _first.Execute("ss", ["-Htn", .. which]).Require().Split('\n', StringSplitOptions.RemoveEmptyEntries).Length;

    private string Protocols() => _first.Run(() => File.ReadAllText("/proc/thread-self/net/snmp"));

    private string Record(string id) =>
        Directory.GetFiles(Store, "pmi*.json").Single(path => (string?)JsonNode.Parse(File.ReadAllText(path))!["key"]!["containerId"] == id);

    private string Text() => _exporter.Client.GetStringAsync("/metrics").GetAwaiter().GetResult();

    private double? Metric(string name, string container, string more = "")
    {
        string series = $"{Prefix}{name}{{container_id=\"{container}\",network=\"testnet\"{more}}} ";
        string? line = Text().Split('\n').SingleOrDefault(one => one.StartsWith(series, StringComparison.Ordinal));
        return line is null ? null : double.Parse(line[series.Length..], CultureInfo.InvariantCulture);
    }

    private JsonNode Statistics(string id) =>
        JsonNode.Parse(_exporter.Client.GetStringAsync("/monitor/statistics").GetAwaiter().GetResult())!.AsArray().Single(one => (string?)one!["source"] == id)!["statistics"]!;
}
