using System.Globalization;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Exporter.KernelTests;

/// <summary>The published exporter as the user of its service: no root, and no capability but those that the service's files name.</summary>
public sealed class ServiceUserTests : IDisposable
{
    // Of nobody: what matters is that it is not root.
    private const string User = "64990";

    private readonly Topology _net = new();
    private readonly Plugin _plugin;

    public ServiceUserTests()
    {
        try
        {
            _plugin = new Plugin(_net, new NetworkConfig(_net).With("ingressRateLimitPerContainer", 50_000_000).With("egressRateLimitPerContainer", 50_000_000));
            _plugin.Add(_net.AddContainerNamespace(), "first").Require();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private string Store => _plugin.Config.StateDirectory!;

    public void Dispose() => _net.Dispose();

    [Theory]
    [InlineData("cni-portmap-exporter.service")]
    [InlineData("cni-portmap-exporter.service", "--socket-statistics", "details", "--snmp", "--port-statistics")]
    [InlineData("cni-portmap-exporter.service.d/counters-only.conf")]
    public async Task Its_capabilities_suffice_for_what_root_sees(string file, params string[] options)
    {
        SortedSet<string> asRoot, asUser;
        using (ExporterProcess exporter = ExporterProcess.Start(_net.Host, Store, options))
        {
            asRoot = await SeriesAsync(exporter);
        }

        string[] capabilities = Setting(file, "CapabilityBoundingSet");
        Assert.Equal(capabilities, Setting(file, "AmbientCapabilities"));
        using (ExporterProcess exporter = ExporterProcess.StartBy(Launcher(capabilities), _net.Host, Store, options))
        {
            asUser = await SeriesAsync(exporter);
            string metrics = await exporter.Client.GetStringAsync("/metrics");
            Assert.DoesNotMatch(@"\nportmap_scrape_errors_total\{[^}]*\} [^0]", metrics);
            JsonArray statistics = JsonNode.Parse(await exporter.Client.GetStringAsync("/monitor/statistics"))!.AsArray();
            Assert.Equal("first", (string?)Assert.Single(statistics)!["source"]);
        }

        if (file.EndsWith(".service", StringComparison.Ordinal))
        {
            Assert.Equal(asRoot, asUser);
        }
        else
        {
            Assert.Contains("portmap_network_receive_bytes_total{container_id=\"first\",network=\"testnet\"}", asUser);
            Assert.Subset(asRoot, asUser);
        }
    }

    [Fact]
    public async Task Without_a_capability_it_does_not_see_the_store()
    {
        using ExporterProcess exporter = ExporterProcess.StartBy(Launcher([]), _net.Host, Store);
        Assert.Contains("\nportmap_scrape_errors_total{source=\"store\"} 1\n", await exporter.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);
    }

    /// <summary>What has a value, without the values.</summary>
    private static async Task<SortedSet<string>> SeriesAsync(ExporterProcess exporter)
    {
        string text = await exporter.Client.GetStringAsync("/metrics");
        return new(
            text.Split('\n').Where(line => line.Length > 0 && line[0] != '#').Select(line => line[..line.LastIndexOf(' ')]),
            StringComparer.Ordinal);
    }

    /// <summary>The words of the last assignment, as systemd takes it where an empty one stands before.</summary>
    private static string[] Setting(string file, string name)
    {
        string[] lines = File.ReadAllLines(Path.Combine(Repository.Root, "conf", "systemd", file));
        return lines.Last(line => line.StartsWith(name + "=", StringComparison.Ordinal))[(name.Length + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
    }

    private static string[] Launcher(string[] capabilities)
    {
        string set = string.Concat(capabilities.Prepend("-all").Select((name, i) => i == 0 ? name : ",+" + name["CAP_".Length..].ToLower(CultureInfo.InvariantCulture)));
        return
        [
            "setpriv", $"--reuid={User}", $"--regid={User}", "--clear-groups", "--no-new-privs", $"--bounding-set={set}", $"--inh-caps={set}", $"--ambient-caps={set}",
        ];
    }
}
