using System.Globalization;
using System.Text.Json;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>What an operator types: data on stdout, all else on stderr, exit codes 0, 1 and 2.</summary>
public sealed class CommandLineTests : IDisposable
{
    private readonly Bed _bed = new();

    public void Dispose() => _bed.Dispose();

    [Fact]
    public void The_list_of_nothing_is_an_empty_array()
    {
        Assert.Equal("[]", Run("list", "--json").Require().Trim());
        Assert.Single(Run("list").Require().Trim().Split('\n'));
        Assert.False(Directory.Exists(_bed.Store));
    }

    [Fact]
    public void Each_element_has_the_members_that_programs_rely_on()
    {
        Namespace container = _bed.Container();
        _bed.Plugin.Add(container, "c1", arguments: "PORTS=31005,31010-31019;K8S_POD_NAME=web", config: _bed.Config).Require();
        _bed.Added("c2");
        using JsonDocument list = JsonDocument.Parse(Run("list", "--json").Require());
        Assert.Equal(2, list.RootElement.GetArrayLength());
        JsonElement one = list.RootElement[0];
        foreach ((string name, string value) in new[]
                 {
                     ("network", "testnet"), ("containerId", "c1"), ("ifName", "eth0"), ("netns", container.Path),
                     ("hostInterface", _bed.HostInterface("c1")), ("state", "ready"),
                 })
        {
            Assert.Equal(value, one.GetProperty(name).GetString());
        }

        JsonElement link = JsonDocument.Parse(container.Ip("-j link show dev eth0")).RootElement[0];
        Assert.Equal("10.77.0.2/24", Assert.Single(one.GetProperty("addresses").EnumerateArray()).GetString());
        Assert.Equal(link.GetProperty("address").GetString(), one.GetProperty("mac").GetString());
        Assert.Equal(link.GetProperty("mtu").GetInt32(), one.GetProperty("mtu").GetInt32());
        Assert.True(one.GetProperty("healthy").GetBoolean());
        Assert.Empty(one.GetProperty("warnings").EnumerateArray());
        Assert.Equal((16384, 17407), Range(one.GetProperty("ephemeralPorts")));
        Assert.Equal(
            [("tcp", (31005, 31005)), ("tcp", (31010, 31019)), ("udp", (31005, 31005)), ("udp", (31010, 31019))],
            one.GetProperty("ports").EnumerateArray().Select(port => (port.GetProperty("protocol").GetString()!, Range(port))));
        Assert.Equal(JsonValueKind.Null, one.GetProperty("egress").ValueKind);
        Assert.Equal(JsonValueKind.Null, one.GetProperty("ingress").ValueKind);
        Assert.Equal("web", one.GetProperty("args").GetProperty("K8S_POD_NAME").GetString());
        DateTimeOffset created = DateTimeOffset.Parse(one.GetProperty("created").GetString()!, CultureInfo.InvariantCulture);
        Assert.InRange(DateTimeOffset.UtcNow - created, TimeSpan.Zero, TimeSpan.FromHours(1));

        using JsonDocument shown = JsonDocument.Parse(Run("show", "c1", "--json").Require());
        Assert.Equal(one.GetRawText(), Assert.Single(shown.RootElement.EnumerateArray()).GetRawText());
    }

    [Fact]
    public void People_get_a_table_and_details()
    {
        _bed.Added("c1", 31005);
        CommandResult list = Run("list");
        Bed.Says(list.Require(), "NETWORK", "c1", "eth0", _bed.HostInterface("c1"), "ready", "16384-17407", "tcp/31005", "udp/31005");
        Assert.Equal("", list.Error);
        Bed.Says(Run("show", "c1").Require(), "c1", "testnet", "16384-17407", "10.77.0.2/24", "created");
    }

    [Fact]
    public void An_unknown_container_is_a_fault()
    {
        CommandResult shown = Run("show", "nobody", "--json");
        Assert.Equal(1, shown.ExitCode);
        Assert.Equal("[]", shown.Output.Trim());
        Bed.Says(shown.Error, "nobody");
        CommandResult plain = Run("show", "nobody");
        Assert.Equal((1, ""), (plain.ExitCode, plain.Output));
    }

    [Fact]
    public void The_state_directory_may_stand_anywhere_behind_the_command()
    {
        _bed.Added("c1");
        string[][] orders =
        [
            ["list", "--state-dir", _bed.Store, "--json"], ["list", "--json", "--state-dir", _bed.Store], ["list", $"--state-dir={_bed.Store}", "--json"],
            ["show", "--state-dir", _bed.Store, "c1", "--json"], ["show", "c1", "--state-dir", _bed.Store, "--json"], ["show", "--json", "c1", "--state-dir", _bed.Store],
        ];
        Assert.All(orders, order => Bed.Says(_bed.Host.Execute(_bed.Plugin.Binary, order).Require(), "\"containerId\": \"c1\""));
    }

    [Theory]
    [InlineData("frob")]
    [InlineData("list --frob")]
    [InlineData("list too many")]
    [InlineData("show")]
    [InlineData("--frob")]
    [InlineData("list --state-dir")]
    public void A_wrong_usage_exits_with_2_and_says_why_on_stderr(string arguments)
    {
        CommandResult run = _bed.Host.Execute(_bed.Plugin.Binary, arguments.Split(' '));
        Assert.Equal((2, ""), (run.ExitCode, run.Output));
        Bed.Says(run.Error, "cni-portmap-isolate", "--help");
    }

    [Fact]
    public void Version_and_help_are_printed()
    {
        CommandResult version = _bed.Host.Execute(_bed.Plugin.Binary, "--version");
        Assert.Matches(@"^\d+\.\d+\.\d+\S*\n$", version.Require());
        Assert.Equal("", version.Error);
        Bed.Says(_bed.Host.Execute(_bed.Plugin.Binary, "--help").Require(), "list", "show", "--version");
        Bed.Says(_bed.Host.Execute(_bed.Plugin.Binary, "show", "--help").Require(), "ID", "--json", "--state-dir");
    }

    [Fact]
    public void A_record_that_cannot_be_read_is_told_on_stderr_and_the_others_are_listed()
    {
        _bed.Added("c1");
        _bed.Added("c2");
        string damaged = _bed.RecordPath("c1");
        File.WriteAllText(damaged, "{");
        CommandResult list = Run("list", "--json");
        using JsonDocument json = JsonDocument.Parse(list.Require());
        Assert.Equal("c2", Assert.Single(json.RootElement.EnumerateArray()).GetProperty("containerId").GetString());
        Bed.Says(list.Error, damaged, "unreadable");
        Assert.True(File.Exists(damaged));
    }

    [Fact]
    public async Task Arguments_do_not_disturb_a_runtime()
    {
        PluginCall call = _bed.Plugin.Attachment("VERSION", "", "c1");
        CommandResult run = await _bed.Host.ExecuteAsync("env", ["-i", "CNI_COMMAND=VERSION", _bed.Plugin.Binary, "--help"], call.Input);
        Bed.Says(run.Require(), "supportedVersions");
    }

    private CommandResult Run(params string[] arguments) => _bed.Plugin.CommandLine(arguments);

    private static (int Begin, int End) Range(JsonElement range) => (range.GetProperty("begin").GetInt32(), range.GetProperty("end").GetInt32());
}
