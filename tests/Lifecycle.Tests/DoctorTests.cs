using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>"doctor" says what is wrong with a host, and what to do.</summary>
public sealed class DoctorTests : IDisposable
{
    private readonly Bed _bed = new();

    public void Dispose() => _bed.Dispose();

    [Fact]
    public void A_good_host_has_no_fault_and_a_kernel_without_fair_queues_is_told()
    {
        CommandResult told = Doctor(_bed.Config);
        Assert.Equal((0, ""), (told.ExitCode, told.Error));
        Bed.Says(told.Output, "ok       kernel", "ok       configuration", "ok       master: eth0 with 10.77.0.2/24", "ok       ports", "0 attachments");
        Assert.DoesNotContain("FAULT", told.Output, StringComparison.Ordinal);
        Assert.Equal(!LimitTests.HasFairQueue, told.Output.Contains("lacks fq_codel (CONFIG_NET_SCH_FQ_CODEL, kernel 3.5)", StringComparison.Ordinal));
    }

    [Fact]
    public void Without_a_configuration_kernel_and_store_are_looked_at()
    {
        CommandResult told = _bed.Plugin.CommandLine("doctor");
        Assert.Equal(0, told.ExitCode);
        Bed.Says(told.Output, "kernel", "0 attachments");
    }

    [FactWithoutFairQueue]
    public void A_queue_for_each_container_is_a_fault_where_the_kernel_cannot()
    {
        CommandResult told = Doctor(_bed.Config.With("egressUniqueFlowPerContainer", true));
        Assert.Equal(1, told.ExitCode);
        Bed.Says(told.Output, "FAULT    kernel: lacks fq_codel");
    }

    [Theory]
    [InlineData("egressRateLimitPerContainer", "\"5XB\"", "egressRateLimitPerContainer", "5XB")]
    [InlineData("ephemeralPorts", "\"40960-41983\"", "ephemeralPorts", "ip_local_port_range 32768-60999")]
    [InlineData("master", "\"eth7\"", "master \"eth7\"", "no interface of this name")]
    public void A_configuration_that_cannot_work_is_a_fault(string key, string value, params string[] words)
    {
        CommandResult told = Doctor(_bed.Config.With(key, JsonNode.Parse(value)));
        Assert.Equal(1, told.ExitCode);
        Bed.Says(told.Output, ["FAULT", .. words]);
    }

    [Theory]
    [InlineData("{", "no JSON")]
    [InlineData("[]", "no JSON object")]
    [InlineData("{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"plugins\":[{\"type\":\"bridge\"}]}", "no plugin of type cni-portmap-isolate")]
    public void A_file_that_is_no_configuration_is_a_fault(string text, string words)
    {
        CommandResult told = Doctor(text);
        Assert.Equal(1, told.ExitCode);
        Bed.Says(told.Output, "FAULT    configuration", words);
    }

    [Fact]
    public void A_list_is_read_as_well_as_a_single_plugin()
    {
        JsonObject plugin = _bed.Config.ToJson();
        string version = (string)plugin["cniVersion"]!;
        plugin.Remove("cniVersion");
        plugin.Remove("name");
        JsonObject list = new() { ["cniVersion"] = version, ["name"] = "listed", ["plugins"] = new JsonArray(new JsonObject { ["type"] = "tuning" }, plugin) };
        CommandResult told = Doctor(list.ToJsonString());
        Assert.Equal(0, told.ExitCode);
        Bed.Says(told.Output, "ok       configuration", "ok       master: eth0");
    }

    [Fact]
    public void A_rate_above_the_link_s_is_a_warning()
    {
        CommandResult told = Doctor(_bed.Config.With("ingressRateLimitPerContainer", "100GB"));
        Assert.Equal(0, told.ExitCode);
        Bed.Says(told.Output, "warning  limits: ingressRateLimitPerContainer");
    }

    [Fact]
    public void A_limit_that_the_container_s_root_took_off_is_told()
    {
        NetworkConfig limited = _bed.Config.With("egressRateLimitPerContainer", 10_000_000);
        Namespace container = _bed.Container();
        _bed.Plugin.Add(container, "c1", config: limited).Require();
        Assert.DoesNotContain("limit of eth0", Doctor(limited).Output, StringComparison.Ordinal);
        container.Tc("qdisc del dev eth0 root");
        Bed.Says(Doctor(limited).Output, "warning", "c1", "limit of eth0 in the container", "10000000", "none");
        Bed.Says(_bed.Plugin.CommandLine("list").Require(), "limit of eth0 in the container");
        JsonNode listed = JsonNode.Parse(_bed.Plugin.CommandLine("show", "c1", "--json").Require())![0]!;
        Assert.Contains(listed["warnings"]!.AsArray(), w => ((string)w!).Contains("limit of eth0 in the container", StringComparison.Ordinal));
    }

    [Fact]
    public void An_unreadable_record_is_a_fault()
    {
        _bed.Added("c1");
        File.WriteAllText(_bed.RecordPath("c1"), "{");
        CommandResult told = Doctor(_bed.Config);
        Assert.Equal(1, told.ExitCode);
        Bed.Says(told.Output, "FAULT    store", "unreadable");
    }

    private CommandResult Doctor(NetworkConfig config) => Doctor(config.ToJson().ToJsonString());

    private CommandResult Doctor(string configuration)
    {
        string file = _bed.Store + ".conf";
        File.WriteAllText(file, configuration);
        try
        {
            return _bed.Plugin.CommandLine("doctor", "--config", file);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
