using System.Text.Json;
using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>What the runtimes really send, each in its own spelling.</summary>
public sealed class RuntimeTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly Bed _bed = new();

    public void Dispose() => _bed.Dispose();

    [Fact]
    public async Task Containerd_sends_names_in_Pascal_case_and_nulls_for_lists()
    {
        Namespace container = Add(_bed.Config
            .With("runtimeConfig", JsonNode.Parse("""
                {"PortMappings":[{"HostPort":31005,"ContainerPort":31005,"Protocol":"tcp","HostIP":""},{"HostPort":31006,"ContainerPort":31006,"Protocol":"UDP","HostIP":"0.0.0.0"}],
                 "IPRanges":null,"Aliases":null,"DNS":{"Servers":["192.0.2.1"],"Searches":null,"Options":null},"cgroupPath":""}
                """)).With("capabilities", JsonNode.Parse("""{"portMappings":true,"dns":true}""")),
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=1-2");
        Assert.Equal(["tcp/31005", "udp/31006"], Ports());
        Assert.Equal("web-0", (string?)_bed.Record("c1")["args"]!["K8S_POD_NAME"]);
        Assert.Null(_bed.Record("c1")["args"]!["IgnoreUnknown"]);
        await _bed.AssertReachableAsync(container, 31005);
    }

    [Theory]
    [InlineData("""{"portMappings":null}""")]
    [InlineData("""{"portMappings":[]}""")]
    [InlineData("null")]
    [InlineData("""{"PortMappings":null,"bandwidth":null}""")]
    public void Null_and_empty_mean_no_ports(string runtime)
    {
        JsonObject json = _bed.Config.ToJson();
        json["runtimeConfig"] = JsonNode.Parse(runtime);
        Namespace container = _bed.Container();
        _bed.Plugin.Run(_bed.Plugin.Attachment("ADD", container.Path, "c1") with { Input = json.ToJsonString() }).Require();
        Assert.Empty(Ports());
    }

    [Fact]
    public async Task Nomad_names_each_port_for_both_protocols_more_than_once()
    {
        PortMapping[] twice = [new(31005, 31005), new(31005, 31005, "udp"), new(31005, 31005), new(31005, 31005, "udp"), new(31006, 0), new(0, 31007)];
        Namespace container = Add(_bed.Config with { PortMappings = twice }, "IgnoreUnknown=true;NOMAD_REGION=global;NOMAD_JOB_ID=web;CONSUL_IPTABLES_CONFIG={\"a\":\"b=c\"}");
        Assert.Equal(["tcp/31005", "tcp/31006", "tcp/31007", "udp/31005"], Ports());
        Assert.Equal("web", (string?)_bed.Record("c1")["args"]!["NOMAD_JOB_ID"]);
        await _bed.AssertReachableAsync(container, 31005);

        // Its DEL carries no arguments.
        _bed.Plugin.Del(container, "c1").Require();
        _bed.AssertClean();
    }

    [Fact]
    public async Task Mesos_gives_a_single_plugin_without_a_version_and_the_ports_among_its_arguments()
    {
        JsonObject json = _bed.Config.ToJson();
        json.Remove("cniVersion");
        json["args"] = JsonNode.Parse("""
            {"org.apache.mesos":{"network_info":{"name":"testnet","labels":{"labels":[{"key":"ephemeral_ports","value":"256"},{"key":"cpus","value":"0.5"}]},
             "port_mappings":[{"host_port":31005,"container_port":31005,"protocol":"tcp"},{"host_port":31006,"container_port":31006}]}}}
            """);
        Namespace container = _bed.Container();
        PluginResult added = _bed.Plugin.Run(_bed.Plugin.Attachment("ADD", container.Path, "f0a1.child") with { Input = json.ToJsonString() }).Require();
        Assert.Equal("0.1.0", added.Member("cniVersion")!.Value.GetString());
        Assert.Equal("10.77.0.2/24", added.Member("ip4")!.Value.GetProperty("ip").GetString());
        Assert.Equal((16384, 16639), _bed.Slice("f0a1.child"));
        await _bed.AssertReachableAsync(container, 31005);
        await _bed.AssertReachableAsync(container, 31006);
        _bed.Plugin.Run(_bed.Plugin.Attachment("DEL", "", "f0a1.child") with { Input = json.ToJsonString() }).Require();
        _bed.AssertClean();
    }

    [Fact]
    public void Nothing_but_the_CNI_variables_is_needed_not_even_a_path()
    {
        Namespace container = _bed.Container();
        PluginCall call = _bed.Plugin.Attachment("ADD", container.Path, "c1") with { Extra = new Dictionary<string, string?> { ["PATH"] = null } };
        _bed.Plugin.Run(call).Require();
        _bed.Plugin.Run(call with { Command = "DEL" }).Require();
        _bed.AssertClean();
    }

    [Fact]
    public async Task Without_arguments_and_command_it_tells_about_itself_and_leaves_the_input_alone()
    {
        // What is left in the pipe afterwards is what cat prints.
        CommandResult run = await Shell("echo untouched | { env -i \"$1\"; echo \"exit $?\"; cat; }");
        Assert.Equal("exit 0\nuntouched\n", run.Output);
        Bed.Says(run.Error, "CNI plugin cni-portmap-isolate v", "CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0");
        CommandResult closed = await Shell("env -i \"$1\" <&-; echo \"exit $?\"");
        Assert.Equal("exit 0\n", closed.Output);
    }

    [Theory]
    [InlineData("ADD", 5)]
    [InlineData("DEL", 5)]
    [InlineData("CHECK", 5)]
    [InlineData("GC", 5)]
    [InlineData("STATUS", 5)]
    [InlineData("VERSION", 0)]
    public async Task A_closed_input_is_an_error_and_never_waited_for(string command, int code)
    {
        CommandResult run = await Shell(
            $"env -i CNI_COMMAND={command} CNI_CONTAINERID=c1 CNI_IFNAME=eth0 CNI_NETNS={_bed.Container().Path} CNI_PATH=/ \"$1\" <&-; echo \" $?\"");
        (string document, string exit) = (run.Output[..run.Output.LastIndexOf(' ')], run.Output[run.Output.LastIndexOf(' ')..].Trim());
        Assert.Equal(code == 0 ? "0" : "1", exit);
        using JsonDocument json = JsonDocument.Parse(document);
        Assert.Equal(code, json.RootElement.TryGetProperty("code", out JsonElement said) ? said.GetInt32() : 0);
        _bed.AssertClean();
    }

    [Fact]
    public async Task A_result_that_nobody_can_receive_is_taken_back()
    {
        Namespace container = _bed.Container();
        PluginCall call = _bed.Plugin.Attachment("ADD", container.Path, "c1");
        CommandResult run = await _bed.Host.ExecuteAsync(
            "sh",
            ["-c", "env -i CNI_COMMAND=ADD CNI_CONTAINERID=c1 CNI_IFNAME=eth0 CNI_PATH=/ CNI_NETNS=\"$2\" \"$1\" >/dev/full; echo \"exit $?\"", "sh", _bed.Plugin.Binary, container.Path],
            call.Input,
            Limit);
        Assert.Equal("exit 1\n", run.Output);
        _bed.AssertClean();
        Bed.AssertLoopbackRestored(container);
    }

    private Task<CommandResult> Shell(string script) => _bed.Host.ExecuteAsync("sh", ["-c", script, "sh", _bed.Plugin.Binary], limit: Limit);

    private Namespace Add(NetworkConfig config, string arguments)
    {
        Namespace container = _bed.Container();
        _bed.Plugin.Add(container, "c1", arguments: arguments, config: config).Require();
        return container;
    }

    private IEnumerable<string> Ports() =>
        from claim in _bed.Record("c1")["ports"]!["fixed"]!.AsArray()
        from port in Enumerable.Range((int)claim!["begin"]!, (int)claim["end"]! - (int)claim["begin"]! + 1)
        select $"{claim["protocol"]}/{port}";
}
