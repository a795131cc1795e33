using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Exporter.KernelTests;

/// <summary>The published programs and the kernel's own cgroups.</summary>
public sealed class CgroupTests : IDisposable
{
    private readonly Topology _net = new();
    private readonly Plugin _plugin;
    private readonly Namespace _container;
    private readonly TestCgroup _cgroup = new();
    private ExporterProcess? _exporter;

    public CgroupTests()
    {
        try
        {
            _plugin = new Plugin(_net, new NetworkConfig(_net));
            _container = _net.AddContainerNamespace();
            _plugin.Add(_net.AddContainerNamespace(), "other").Require();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _exporter?.Dispose();
        _net.Dispose();
        _cgroup.Dispose();
    }

    [FactWithCgroups("cpu", "cpuacct")]
    public void Cpu_of_a_container_by_a_process_in_its_namespace()
    {
        _plugin.Add(_container, "busy").Require();
        _cgroup.Write("cpu", "cpu.cfs_period_us", "50000");
        _cgroup.Write("cpu", "cpu.cfs_quota_us", "10000");
        Process busy = _container.Start("sh", "-c", "while :; do :; done");
        _cgroup.Enter(busy, "cpu");
        _cgroup.Enter(busy, "cpuacct");

        Wait.Until(() => (ulong?)Statistics("busy")["cpus_nr_throttled"] > 1 && (double?)Statistics("busy")["cpus_user_time_secs"] > 0, "CPU time to be counted");
        double before = UserSeconds();
        JsonNode statistics = Statistics("busy");
        Assert.InRange((double)statistics["cpus_user_time_secs"]!, before, UserSeconds());
        Assert.Equal(0.2, (double)statistics["cpus_limit"]!);
        Assert.True((ulong)statistics["cpus_nr_periods"]! >= (ulong)statistics["cpus_nr_throttled"]!, statistics.ToJsonString());
        Assert.True((double)statistics["cpus_throttled_time_secs"]! > 0, statistics.ToJsonString());

        // Its memory cgroup is the one that the exporter is in, too: that tells nothing of the container. The other one has no process.
        if (TestCgroup.Has("memory"))
        {
            Assert.Null(statistics["mem_total_bytes"]);
        }

        Assert.Null(Statistics("other")["cpus_user_time_secs"]);
        Assert.Contains("\nportmap_cpu_limit_cores{container_id=\"busy\",network=\"testnet\"} 0.2\n", Metrics(), StringComparison.Ordinal);
        Assert.Contains("\nportmap_scrape_errors_total{source=\"cgroups\"} 0\n", Metrics(), StringComparison.Ordinal);
        CommandResult check = _net.Host.ExecuteAsync(Tools.Promtool, ["check", "metrics"], Metrics()).GetAwaiter().GetResult();
        Assert.True(check is { ExitCode: 0, Output: "", Error: "" }, check.ToString());

        double UserSeconds() =>
            double.Parse(_cgroup.Read("cpuacct", "cpuacct.stat").Split(' ', '\n')[1], CultureInfo.InvariantCulture) / 100;
    }

    [FactWithCgroups("unified")]
    public void Cpu_time_of_a_container_in_the_unified_hierarchy()
    {
        _plugin.Add(_container, "busy").Require();
        Process busy = _container.Start("sh", "-c", "while :; do :; done");
        _cgroup.Enter(busy, "unified");
        Wait.Until(() => (double?)Statistics("busy")["cpus_user_time_secs"] > 0, "CPU time to be counted");
        Assert.NotNull(Statistics("busy")["cpus_system_time_secs"]);
        Assert.Null(Statistics("busy")["cpus_limit"]);
    }

    [FactWithCgroups("memory")]
    public void Memory_of_a_container_whose_runtime_tells_the_cgroup()
    {
        _cgroup.Write("memory", "memory.limit_in_bytes", "67108864");
        _plugin.Add(_container, "told", config: _plugin.Config.With("runtimeConfig.cgroupPath", _cgroup.Path)).Require();
        JsonNode statistics = Statistics("told");
        Assert.Equal(67108864, (long)statistics["mem_limit_bytes"]!);
        Assert.Equal(_cgroup.Read("memory", "memory.usage_in_bytes").TrimEnd(), statistics["mem_total_bytes"]!.ToString());
        foreach (string name in new[] { "mem_rss_bytes", "mem_anon_bytes", "mem_cache_bytes", "mem_file_bytes", "mem_mapped_file_bytes" })
        {
            Assert.Equal(0, (long)statistics[name]!);
        }

        Assert.Null(statistics["mem_soft_limit_bytes"]);
        _cgroup.Remove("memory");
        Assert.Null(Statistics("told")["mem_limit_bytes"]);
    }

    [FactWithCgroups]
    public void A_path_that_leads_elsewhere_is_not_recorded_and_the_container_attached()
    {
        _plugin.Add(_container, "odd", config: _plugin.Config.With("runtimeConfig.cgroupPath", "/../../etc")).Require();
        Assert.DoesNotContain("etc", string.Concat(Directory.GetFiles(_plugin.Config.StateDirectory!, "pmi*.json").Select(File.ReadAllText)), StringComparison.Ordinal);
        Assert.Contains("runtimeConfig.cgroupPath has an element \"..\" and is not recorded", File.ReadAllText(_plugin.Config.LogFile!), StringComparison.Ordinal);
        Assert.NotNull(Statistics("odd")["net_rx_bytes"]);
        Assert.Null(Statistics("odd")["mem_total_bytes"]);
    }

    // Started late, so that its first scan of processes finds the test's.
    private HttpClient Client => (_exporter ??= ExporterProcess.Start(_net.Host, _plugin.Config.StateDirectory!)).Client;

    private string Metrics() => Client.GetStringAsync("/metrics").GetAwaiter().GetResult();

    private JsonNode Statistics(string id) =>
        JsonNode.Parse(Client.GetStringAsync("/monitor/statistics").GetAwaiter().GetResult())!.AsArray().Single(one => (string?)one!["source"] == id)!["statistics"]!;
}
