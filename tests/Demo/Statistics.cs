using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Demo;

/// <summary>The steps about what the exporter tells: 11, 12, 13 and 15.</summary>
internal sealed class Statistics(Stage stage) : IDisposable
{
    private const int UnownedPort = 8080;
    private const int Strays = 5;
    private const int SlicePorts = 1024;

    /// <summary>Columns that a part of the JSON may take before it is broken into lines.</summary>
    private const int Columns = 120;

    /// <summary>Fields of a long table that are shown.</summary>
    private const int FewFields = 4;

    /// <summary>Answers that the page waits for, one every two seconds: enough for a line to be drawn.</summary>
    private const int Answers = 6;

    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly string Picture = Path.Combine(Repository.Root, "artifacts", "demo-page.png");

    private readonly Screen _screen = stage.Screen;
    private readonly List<EchoServer> _servers = [];
    private Chatter? _chatter;
    private Exporter? _exporter;

    private Exporter Server => _exporter ?? throw new InvalidOperationException("the exporter was not started");

    public void ShowNumbers()
    {
        Screen.Step(11, "The exporter: numbers of each container, for Prometheus and as a Mesos agent tells them");
        _exporter = Exporter.Start(stage, "--socket-statistics", "details", "--snmp", "--port-statistics");
        _screen.Claim(Server.Get("healthz").Trim() == "ok", "it answers", "not with ok");
        Screen.Say("");
        Screen.Say("From now on the containers talk: web with the outside as fast as its limit lets it, and a little on other connections.");
        _servers.Add(stage.Serve(stage.Database.Place, Transport.Tcp, Stage.DatabasePort));
        _chatter = new Chatter();
        _chatter.Talk(stage.Web.Place, stage.Network.OutAddress, Stage.OutsidePort, 256 << 10, TimeSpan.Zero);
        _chatter.Talk(stage.Database.Place, stage.Shared, Stage.WebPort, 1 << 10, TimeSpan.FromMilliseconds(5));
        _chatter.Talk(stage.Outside, stage.Shared, Stage.WebPort, 1 << 10, TimeSpan.FromMilliseconds(20));
        _chatter.Talk(stage.Outside, stage.Shared, Stage.DatabasePort, 16 << 10, TimeSpan.FromMilliseconds(10));
        Wait.Until(() => Server.Get("metrics").Contains($"portmap_tcp_rtt_seconds{{container_id=\"{stage.Web.Id}\"", StringComparison.Ordinal), "web's round trips to be known");
        ShowStatistics();
        ShowMetrics();
    }

    public void CountStrays()
    {
        Screen.Step(12, $"job sends from port {Stage.WebPort} again, which is web's, and listens on {UnownedPort}, which is nobody's");
        const string Foreign = "portmap_foreign_source_packets_total";
        double? before = Server.ShowMetrics(Foreign).Of(stage.Job, Foreign);
        Screen.Command(stage.Prompt(stage.Job.Place), $"demo-client udp {stage.Network.OutAddress} {Stage.OutsidePort} --from-port {Stage.WebPort} --datagrams {Strays} --no-answer");
        Chatter.Send(stage.Job.Place, Stage.WebPort, stage.Network.OutAddress, Stage.OutsidePort, Strays);
        _servers.Add(stage.Serve(stage.Job.Place, Transport.Tcp, UnownedPort));
        Exporter.Metrics after = Server.ShowMetrics($"{Foreign}|portmap_unowned_sockets");
        if (after.Of(stage.Job, Foreign) is { } counted)
        {
            _screen.Claim(counted - before == Strays, $"each of the {Strays} packets was dropped by the host, and counted as job's", $"{before}, then {counted}");
            _screen.Claim(after.Of(stage.Web, Foreign) == 0, "web, whose port it is, has nothing to do with it", $"{after.Of(stage.Web, Foreign)}");
        }
        else
        {
            Screen.Say("(This kernel has no BPF for the filter that drops them: the host's stack does it, and does not count by container.)");
        }

        _screen.Claim(after.Of(stage.Job, "portmap_unowned_sockets") == 1, "one socket of job waits for what never arrives", $"{after.Of(stage.Job, "portmap_unowned_sockets")}");

        const string Sent = "portmap_network_transmit_packets_total";
        double? told = Server.ShowMetrics($"{Sent}.*\"{stage.Job.Id}\"").Of(stage.Job, Sent);
        CommandResult inside = stage.Show(stage.Job.Place, "cat /proc/net/dev");
        string? line = inside.Output.Split('\n').FirstOrDefault(one => one.TrimStart().StartsWith("eth0:", StringComparison.Ordinal));
        string? own = line?.Split(' ', StringSplitOptions.RemoveEmptyEntries).ElementAtOrDefault(10);
        _screen.Claim(own is not null && told?.ToString(CultureInfo.InvariantCulture) == own, $"inside job the kernel has counted {own} packets sent, too", $"{told}, and {own} inside");
    }

    public void TakePicture()
    {
        Screen.Step(13, "The same for people: the exporter's page, in Chromium");
        Screen.Say($"The browser runs on the host, looks at the page for {Answers} answers, opens job's details, and takes a picture.");
        _chatter?.Send(stage.Job.Place, Stage.WebPort, stage.Network.OutAddress, Stage.OutsidePort, TimeSpan.FromMilliseconds(500));
        string shown = Path.GetRelativePath(Repository.Root, Picture);
        File.Delete(Picture);
        Screen.Command(stage.Prompt(stage.Host), $"demo-browser {Exporter.Address} --picture {shown}");
        using Browser browser = new(stage.Host, Path.Combine(stage.Network.StateDirectory, "browser"), Exporter.Address);
        browser.Evaluate(
            $$"""
              new Promise((done) => {
                let seen = 0;
                const look = (_, observer) => { if (++seen === {{Answers}}) { observer.disconnect(); done(); } };
                new MutationObserver(look).observe(document.getElementById("updated"), { childList: true, characterData: true });
              })
              """);
        const string Rows = "[...document.querySelectorAll('#containers tbody')]";
        string[] rows = [.. browser.Evaluate($"{Rows}.map((row) => row.innerText.replace(/\\s+/g, ' ').trim())")!.AsArray().Select(row => (string)row!)];
        browser.Evaluate($"{Rows}.find((row) => row.querySelector('.name').textContent === '{stage.Job.Id}').querySelector('.toggle').click()");
        browser.Evaluate("Promise.all(document.getAnimations().map((animation) => animation.finished)).then(() => true)");
        File.WriteAllBytes(Picture, browser.Picture());
        Screen.Output(string.Join('\n', rows));
        _screen.Claim(
            rows.Length == 3 && stage.Containers.All(one => rows.Any(row => row.StartsWith(one.Id + " ", StringComparison.Ordinal))), "it shows all three containers", $"{rows.Length} rows");
        string rates = string.Join(", ", browser.Evaluate("['receiving', 'sending'].map((id) => document.getElementById(id).textContent)")!.AsArray());
        _screen.Claim(!rates.StartsWith("0 ", StringComparison.Ordinal) && !rates.Contains('–', StringComparison.Ordinal), $"and what they receive and send: {rates}", rates);
        _screen.Claim(File.Exists(Picture), $"the picture is in {shown}", "it is not there");
    }

    public void ShowWhatRemains()
    {
        Screen.Step(15, "The exporter, when all containers have gone");
        Exporter.Metrics metrics = Server.ShowMetrics("portmap_(container_info|slices|ephemeral_ports|placeable)");
        _screen.Claim(metrics.Find("portmap_container_info") is null, "it tells of no container any more", "there is one");
        _screen.Claim(
            metrics.Find("portmap_placeable_containers") is { } room and > 0 && room == metrics.Find("portmap_slices"), "and still how many there is room for", "it does not");
        int code = Server.End();
        _screen.Claim(code == 0, "SIGTERM ends it with exit code 0", $"exit code {code}");
    }

    public void EndTraffic()
    {
        _chatter?.Dispose();
        _chatter = null;
        foreach (EchoServer server in _servers)
        {
            server.Dispose();
        }

        _servers.Clear();
    }

    public void Dispose()
    {
        EndTraffic();
        _exporter?.Dispose();
    }

    private void ShowStatistics()
    {
        JsonArray all = Server.GetStatistics();
        JsonNode? web = all.FirstOrDefault(one => (string?)one!["executor_id"] == stage.Web.Id);
        Screen.Say($"(of {all.Count} containers, web; \"…\" stands for fields of its tables of protocols that are left out)");
        Screen.Output(Layout(Shorten(web?.DeepClone()), ""));
        _screen.Claim(all.Count == 3, "all three containers are there", $"{all.Count} containers");
        long limit = (long?)web?["statistics"]?["net_tx_rate_limit"] ?? 0;
        _screen.Claim(limit == Traffic.Rate, $"web has the limit that it was given, {Traffic.Rate} bytes per second", $"{limit}");
        long sent = (long?)web?["statistics"]?["net_tx_bytes"] ?? 0;
        _screen.Claim(sent > Traffic.LimitedBytes, $"and has sent more than the {Traffic.LimitedBytes} bytes of step 10", $"{sent}");
    }

    private void ShowMetrics()
    {
        Screen.Say("");
        Screen.Say("Some of what Prometheus is told:");
        Exporter.Metrics metrics = Server.ShowMetrics(
            "(network_.*_bytes|egress_limit|in_force|qdisc_(packets|overlimits)|receive_packets).*\"web\"");
        _screen.Claim(
            metrics.Of(stage.Web, "portmap_qdisc_overlimits_total", "qdisc=\"bw_limit\"") > 0 && metrics.Of(stage.Web, "portmap_limit_in_force", "direction=\"egress\"") == 1,
            "web's limit is in force, and packets had to wait for it", "one of the two is missing");
        _screen.Claim(
            metrics.Of(stage.Web, "portmap_ports_receive_packets_total", $"protocol=\"tcp\",ports=\"{Stage.WebPort}") > 0, "and it is known on which of its ports packets came in",
            "it is not");

        metrics = Server.ShowMetrics("portmap_(tcp_(rtt|sockets)|tcp_retransmitted|container_ephemeral_ports_in_use).*\"web\"");
        double? median = metrics.Of(stage.Web, "portmap_tcp_rtt_seconds", "quantile=\"0.5\"");
        double? last = metrics.Of(stage.Web, "portmap_tcp_rtt_seconds", "quantile=\"0.99\"");
        _screen.Claim(median > 0 && median <= last, "web's round trips are known, without a word from web", $"{median}, {last}");

        metrics = Server.ShowMetrics("portmap_(slices|ephemeral_ports|placeable|largest|ports_(capacity|in_use))");
        _screen.Claim(
            metrics.Find("portmap_ephemeral_ports_in_use") == 3 * SlicePorts && metrics.Find("portmap_placeable_containers") == metrics.Find("portmap_slices") - 3,
            "three slices are taken, and a scheduler can see how many containers there is room for", "the numbers differ");
    }

    /// <summary>Leaves a few fields of each table of protocols, and says how many there were.</summary>
    private static JsonNode? Shorten(JsonNode? container)
    {
        foreach (JsonObject table in container?["statistics"]?["net_snmp_statistics"]?.AsObject().Select(pair => pair.Value!.AsObject()) ?? [])
        {
            // What has counted something says more than a zero.
            string[] rest = [.. table.OrderByDescending(pair => (long)pair.Value! != 0 && pair.Key.Any(char.IsLower)).Select(pair => pair.Key).Skip(FewFields)];
            foreach (string name in rest)
            {
                table.Remove(name);
            }

            table["…"] = $"{rest.Length} more";
        }

        return container;
    }

    /// <summary>Indented, but what fits on a line stands on one.</summary>
    private static string Layout(JsonNode? node, string indent)
    {
        string line = node?.ToJsonString(Plain).Replace(",\"", ", \"", StringComparison.Ordinal).Replace("\":", "\": ", StringComparison.Ordinal) ?? "null";
        if (indent.Length + line.Length <= Columns)
        {
            return line;
        }

        string deeper = indent + "  ";
        return node switch
        {
            JsonObject map => $"{{\n{string.Join(",\n", map.Select(pair => $"{deeper}\"{pair.Key}\": {Layout(pair.Value, deeper)}"))}\n{indent}}}",
            JsonArray list => $"[\n{string.Join(",\n", list.Select(one => deeper + Layout(one, deeper)))}\n{indent}]",
            _ => line,
        };
    }
}
