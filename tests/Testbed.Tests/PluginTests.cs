namespace CniIsolator.Testbed.Tests;

/// <summary>The runner of plugins, tried on shell scripts.</summary>
public sealed class PluginTests : IDisposable
{
    private readonly Topology _topology = new();

    public void Dispose() => _topology.Dispose();

    [Fact]
    public void The_plugin_gets_what_a_runtime_gives_and_runs_on_the_host()
    {
        Plugin plugin = Script("""echo "{\"environment\":\"$(env | sort | tr '\n' ' ')\",\"net\":\"$(readlink /proc/self/ns/net)\",\"config\":$(cat)}" """);
        Namespace container = _topology.AddContainerNamespace();
        PluginResult result = plugin.Add(container, "id-1", arguments: "PORTS=1").Require();
        string environment = result.Member("environment")!.Value.GetString()!;
        Assert.Contains($"CNI_ARGS=PORTS=1 CNI_COMMAND=ADD CNI_CONTAINERID=id-1 CNI_IFNAME=eth0 CNI_NETNS={container.Path} CNI_PATH=", environment, StringComparison.Ordinal);
        Assert.DoesNotContain("HOME=", environment, StringComparison.Ordinal);
        Assert.Equal(_topology.Host.Execute("readlink", "/proc/self/ns/net").Output.Trim(), result.Member("net")!.Value.GetString());
        Assert.Equal("testnet", result.Member("config")!.Value.GetProperty("name").GetString());
        PluginResult check = plugin.Check(container, "id-1").Require();
        Assert.True(check.Member("config")!.Value.TryGetProperty("prevResult", out _));
    }

    [Fact]
    public void An_error_is_taken_apart()
    {
        PluginResult result = Script("""echo '{"code":101,"msg":"port taken","details":"by c2"}'; echo why >&2; exit 1""").Status();
        Assert.False(result.Succeeded);
        Assert.Equal((1, 101, "port taken", "by c2", "why\n"), (result.ExitCode, result.ErrorCode, result.ErrorMessage, result.ErrorDetails, result.Error));
    }

    [Fact]
    public void The_configuration_is_built_as_asked()
    {
        NetworkConfig config = new NetworkConfig(_topology) { EphemeralPorts = null }
            .WithPorts(31005).With("runtimeConfig.bandwidth", new System.Text.Json.Nodes.JsonObject { ["egressRate"] = 8000 }).With("hostLoopback", "deny");
        System.Text.Json.Nodes.JsonObject json = config.ToJson();
        Assert.Null(json["ephemeralPorts"]);
        Assert.Equal("deny", (string?)json["hostLoopback"]);
        Assert.Equal(2, json["runtimeConfig"]!["portMappings"]!.AsArray().Count);
        Assert.Equal(8000, (int?)json["runtimeConfig"]!["bandwidth"]!["egressRate"]);
    }

    private Plugin Script(string body)
    {
        string path = Path.Combine(_topology.StateDirectory, "plugin");
        File.WriteAllText(path, "#!/bin/sh\n" + body + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return new Plugin(_topology, binary: path);
    }
}
