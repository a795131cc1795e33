using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Exporter.KernelTests;

/// <summary>The published program on a host with two attached containers.</summary>
public sealed class ExporterTests : IDisposable
{
    private readonly Topology _net = new();
    private readonly Plugin _plugin;
    private readonly Namespace _first;
    private readonly ExporterProcess _exporter;

    public ExporterTests()
    {
        try
        {
            NetworkConfig config = new NetworkConfig(_net).With("ingressRateLimitPerContainer", 50_000_000).With("ingressCeilLimit", 60_000_000).With("ingressBurst", 100_000);
            _plugin = new Plugin(_net, config);
            _first = _net.AddContainerNamespace();
            _plugin.Add(_first, "first", config: config.WithPorts(31005), arguments: "IgnoreUnknown=1;K8S_POD_NAME=web-0;K8S_POD_NAMESPACE=shop").Require();
            _plugin.Add(_net.AddContainerNamespace(), "second").Require();
            _exporter = ExporterProcess.Start(_net.Host, Store);
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
    public async Task Counters_are_those_of_the_link_seen_from_the_container()
    {
        await SendAsync();

        // Stray packets, such as neighbour probes, may come between two looks: the kernel's own before and after must agree.
        JsonNode link = null!;
        JsonNode statistics = null!;
        Wait.Until(
            () =>
            {
                link = HostLink("first");
                statistics = Statistics("first");
                return link.ToJsonString() == HostLink("first").ToJsonString();
            },
            "a moment without packets");
        foreach ((string ours, string side, string kernels) in new[]
                 {
                     ("net_rx_packets", "tx", "packets"), ("net_rx_bytes", "tx", "bytes"), ("net_rx_errors", "tx", "errors"), ("net_rx_dropped", "tx", "dropped"),
                     ("net_tx_packets", "rx", "packets"), ("net_tx_bytes", "rx", "bytes"), ("net_tx_errors", "rx", "errors"), ("net_tx_dropped", "rx", "dropped"),
                 })
        {
            Assert.Equal((ours, (ulong)link[side]![kernels]!), (ours, (ulong)statistics[ours]!));
        }

        Assert.True((ulong)statistics["net_rx_bytes"]! > 8 << 20, statistics.ToJsonString());
        Assert.True((ulong)Statistics("second")["net_rx_bytes"]! < 8 << 20);
    }

    [Fact]
    public async Task Metrics_agree_with_the_statistics_and_are_clean()
    {
        await SendAsync();
        string text = await _exporter.Client.GetStringAsync("/metrics");
        Assert.Contains("\nportmap_network_receive_bytes_total{container_id=\"first\",network=\"testnet\"} ", text, StringComparison.Ordinal);
        Assert.Contains("\nportmap_ingress_limit_bytes_per_second{container_id=\"second\",network=\"testnet\"} 50000000\n", text, StringComparison.Ordinal);
        Assert.Contains("ports=\"tcp/31005,udp/31005\",ephemeral=\"16384-17407\",pod=\"web-0\",pod_namespace=\"shop\",nomad_job=\"\",nomad_task=\"\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("\nportmap_ephemeral_ports_capacity 8192\n", text, StringComparison.Ordinal);
        Assert.Contains("\nportmap_ephemeral_ports_in_use 2048\n", text, StringComparison.Ordinal);
        Assert.Contains("\nportmap_unreadable_records 0\n", text, StringComparison.Ordinal);

        CommandResult check = await _net.Host.ExecuteAsync(Tools.Promtool, ["check", "metrics"], text);
        Assert.True(check is { ExitCode: 0, Output: "", Error: "" }, check.ToString());
    }

    [Fact]
    public async Task Open_metrics_for_those_who_ask_for_it()
    {
        using HttpRequestMessage request = new(HttpMethod.Get, "/metrics");
        request.Headers.Accept.Add(MediaTypeWithQualityHeaderValue.Parse("application/openmetrics-text;version=1.0.0"));
        using HttpResponseMessage response = await _exporter.Client.SendAsync(request);
        Assert.Equal("application/openmetrics-text; version=1.0.0; charset=utf-8", response.Content.Headers.ContentType!.ToString());
        Assert.EndsWith("# EOF\n", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public void Limits_ports_and_names_stand_with_the_counters()
    {
        JsonNode statistics = Statistics("first");
        Assert.Equal(50_000_000, (long)statistics["net_rx_rate_limit"]!);
        Assert.Equal(60_000_000, (long)statistics["net_rx_burst_rate_limit"]!);
        Assert.Equal(100_000, (long)statistics["net_rx_burst_size"]!);
        Assert.Null(statistics["net_tx_rate_limit"]);
        Assert.Equal("""{"begin":16384,"end":17407}""", statistics["net_ephemeral_ports"]!.ToJsonString());
        Assert.InRange((double)statistics["timestamp"]!, 1.7e9, 1e11);

        JsonNode element = Array().Single(one => (string?)one!["source"] == "first")!;
        Assert.Equal(("first", "web-0", "testnet"), ((string)element["executor_id"]!, (string)element["executor_name"]!, (string)element["framework_id"]!));
        Assert.Equal("second", (string?)Array().Single(one => (string?)one!["source"] == "second")!["executor_name"]);
    }

    [Fact]
    public async Task What_is_gone_or_damaged_or_elsewhere_is_left_out_and_the_rest_served()
    {
        foreach (string id in new[] { "gone", "rebooted" })
        {
            _plugin.Add(_net.AddContainerNamespace(), id).Require();
        }

        Edit("second", record => record["madeOn"]!["netns"] = "1:1");
        Edit("rebooted", record => record["madeOn"]!["bootId"] = "00000000-0000-0000-0000-000000000000");
        _net.Host.Ip($"link delete {Path.GetFileNameWithoutExtension(Record("gone"))}");
        await File.WriteAllTextAsync(Path.Combine(Store, "pmi0123456789ab.json"), "{");

        Assert.Equal("first", (string?)Assert.Single(Array())!["source"]);
        Assert.Contains("\nportmap_unreadable_records 1\n", await _exporter.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);
        Assert.Equal("{", await File.ReadAllTextAsync(Path.Combine(Store, "pmi0123456789ab.json")));
    }

    [Fact]
    public async Task A_store_that_cannot_be_trusted_is_an_error_and_not_an_empty_host()
    {
        File.SetUnixFileMode(Store, (UnixFileMode)0b111_111_111);
        using HttpResponseMessage answer = await _exporter.Client.GetAsync("/monitor/statistics");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains(Store, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains("\nportmap_scrape_errors_total{source=\"store\"} 2\n", await _exporter.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404")]
    [InlineData("POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", "405")]
    [InlineData("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", "413")]
    [InlineData("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "413")]
    [InlineData("nonsense\r\n\r\n", "400")]
    [InlineData("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200")]
    public void Requests_are_judged(string request, string status)
    {
        Assert.StartsWith($"HTTP/1.1 {status} ", Raw(request), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200 ", Raw("GET /healthz HTTP/1.0\r\n\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public void Long_headers_are_refused() =>
        Assert.StartsWith("HTTP/1.1 431 ", Raw($"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {new string('x', 9000)}\r\n\r\n"), StringComparison.Ordinal);

    [Fact]
    public void HEAD_has_the_length_and_no_body()
    {
        string answer = Raw("HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        Assert.Matches("\r\nContent-Length: [1-9][0-9]{3,}\r\n", answer);
        Assert.EndsWith("\r\n\r\n", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Many_at_once_are_all_answered()
    {
        string[] answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => _exporter.Client.GetStringAsync("/monitor/statistics.json")));
        Assert.All(answers, answer => Assert.Equal(2, JsonNode.Parse(answer)!.AsArray().Count));
    }

    [Fact]
    public void An_address_that_is_taken_is_a_fault()
    {
        CommandResult second = ExporterProcess.Run(_net.Host, Store);
        Assert.Equal((1, ""), (second.ExitCode, second.Output));
        Assert.Contains("cannot listen on 127.0.0.1:9478: ", second.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("192.0.2.77:9478", "Cannot assign requested address")]
    [InlineData("unix:/nonexistent-directory/e.sock", "there is no such directory")]
    public void An_address_that_cannot_be_had_is_a_fault(string address, string reason)
    {
        CommandResult refused = ExporterProcess.Run(_net.Host, Store, "--listen", address);
        Assert.Equal((1, $"cni-portmap-exporter: cannot listen on {address}: {reason}\n"), (refused.ExitCode, refused.Error));
    }

    [Fact]
    public void A_file_that_is_no_socket_stays()
    {
        string path = Path.Combine(_net.StateDirectory, "precious");
        File.WriteAllText(path, "content");
        CommandResult refused = ExporterProcess.Run(_net.Host, Store, "--listen", $"unix:{path}");
        Assert.Equal((1, $"cni-portmap-exporter: cannot listen on unix:{path}: Address already in use\n"), (refused.ExitCode, refused.Error));
        Assert.Equal("content", File.ReadAllText(path));
    }

    [Fact]
    public void A_request_that_does_not_come_is_not_waited_for()
    {
        using Socket socket = _exporter.Connect();
        Assert.StartsWith("HTTP/1.1 408 ", Raw(socket, "GET /metr"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    public void It_ends_cleanly_when_told_to(string signal)
    {
        using Socket idle = _exporter.Connect();
        Assert.Equal(0, _exporter.EndBy(signal));
    }

    [Fact]
    public async Task A_unix_socket_outlives_a_kill_and_is_taken_over()
    {
        string path = Path.Combine(_net.StateDirectory, "e.sock");
        for (int i = 0; i < 2; i++)
        {
            using ExporterProcess other = ExporterProcess.Start(_net.Host, Store, "--listen", $"unix:{path}");
            using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
            Assert.StartsWith("HTTP/1.1 200 ", Raw(socket, "GET /healthz HTTP/1.0\r\n\r\n"), StringComparison.Ordinal);
            Assert.Contains("Address already in use", ExporterProcess.Run(_net.Host, Store, "--listen", $"unix:{path}").Error, StringComparison.Ordinal);

            // Killed the first time, so that the file stays.
            Assert.Equal(i == 0 ? 137 : 0, other.EndBy(i == 0 ? "KILL" : "TERM"));
            Assert.Equal(i == 0, File.Exists(path));
        }
    }

    /// <summary>8 MiB each way between the outside and the first container.</summary>
    private async Task SendAsync()
    {
        using EchoServer server = EchoServer.Start(_first, Transport.Tcp, IPAddress.Any, 31005);
        ProbeResult result = await Probe.RunAsync(_net.Out, Transport.Tcp, new IPEndPoint(_net.HostAddress, 31005), ProbeOptions.Bulk);
        Assert.True(result.Ok, result.ToString());
    }

    private string Record(string id) =>
        Directory.GetFiles(Store, "pmi*.json").Single(path => (string?)JsonNode.Parse(File.ReadAllText(path))!["key"]!["containerId"] == id);

    private void Edit(string id, Action<JsonObject> edit)
    {
        string path = Record(id);
        JsonObject record = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        edit(record);
        File.WriteAllText(path, record.ToJsonString());
    }

    private JsonNode HostLink(string id) =>
        JsonNode.Parse(_net.Host.Ip($"-j -s link show dev {Path.GetFileNameWithoutExtension(Record(id))}"))![0]!["stats64"]!;

    private JsonArray Array() => JsonNode.Parse(_exporter.Client.GetStringAsync("/monitor/statistics").GetAwaiter().GetResult())!.AsArray();

    private JsonNode Statistics(string id) => Array().Single(one => (string?)one!["source"] == id)!["statistics"]!;

    private string Raw(string request)
    {
        using Socket socket = _exporter.Connect();
        return Raw(socket, request);
    }

    /// <summary>What comes back until the server closes, as it does after what it cannot read, after HTTP/1.0, or when asked to.</summary>
    private static string Raw(Socket socket, string request)
    {
        socket.ReceiveTimeout = (int)Wait.Patience.TotalMilliseconds;
        socket.Send(Encoding.ASCII.GetBytes(request));
        StringBuilder answer = new();
        byte[] buffer = new byte[64 * 1024];
        for (int count; (count = Receive()) > 0;)
        {
            answer.Append(Encoding.UTF8.GetString(buffer, 0, count));
        }

        return answer.ToString();

        int Receive()
        {
            try
            {
                return socket.Receive(buffer);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
            {
                // The server closes without reading the rest of what it refused.
                return 0;
            }
        }
    }
}
