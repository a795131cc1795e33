using System.Text.Json.Nodes;
using CniIsolator.Lifecycle.Tests;
using CniIsolator.Testbed;

namespace CniIsolator.Runtimes.Tests;

/// <summary>Debian's libcni, which is what most runtimes call plugins by: capabilities, cached results, versions, and plugins in a chain.</summary>
public sealed class LibcniTests : IDisposable
{
    private const string Stock = "portmap-isolate";
    private const int Port = 31005;
    private const string Id = "c1";

    private readonly Frame _frame = new("conf/10-portmap-isolate.conflist");
    private readonly Cnidrive _libcni;

    public LibcniTests()
    {
        _libcni = new Cnidrive(_frame);
        _frame.Execute("ip", "netns", "add", Id).Require();
    }

    public void Dispose() => _frame.Dispose();

    [Fact]
    public async Task A_container_with_capabilities_is_at_home_and_leaves_nothing()
    {
        const long Rate = 10_000_000;
        string capabilities = $$"""
            {"portMappings":[{"hostPort":{{Port}},"containerPort":{{Port}},"protocol":"tcp"}],
             "bandwidth":{"egressRate":{{8 * Rate}},"egressBurst":4294967295,"ingressRate":0,"ingressBurst":0},"unknown":"is not passed on"}
            """;
        JsonObject added = Json(_libcni.Run("add", Stock, Id, $"CAPABILITIES={capabilities}", "ARGS=IgnoreUnknown=1;K8S_POD_NAME=web").Require());

        // It knows neither cniVersions nor 1.1.0, and reads what stands in cniVersion.
        Assert.Equal("1.0.0", (string?)added["cniVersion"]);
        Assert.True(JsonNode.DeepEquals(added, Json(_libcni.Run("cached", Stock, Id).Require())), "another result was kept");
        JsonObject cache = Json(_frame.Read($"/var/lib/cni/results/{Stock}-{Id}-eth0"));
        Assert.Equal("cniCacheV1", (string?)cache["kind"]);

        _libcni.Run("check", Stock, Id).Require();
        Guest guest = new(_frame, Id, Port, words => _frame.Execute(["ip", "netns", "exec", Id, "/var/lib/rootfs/bin/busybox", Path.GetFileName(words[0]), .. words[1..]]));
        _frame.Start(["ip", "netns", "exec", Id, "/var/lib/rootfs/bin/busybox", "httpd", "-f", "-p", $"{Port}", "-h", $"/var/lib/rootfs{Guest.Pages}"]);
        await guest.AssertAtHomeAsync("web", Rate);

        // The cached result is all that CHECK has to compare with.
        _libcni.Run("check", Stock, Id).Require();
        _libcni.Run("del", Stock, Id).Require();
        Assert.Empty(_libcni.Run("cached", Stock, Id).Require());
        _frame.AssertClean();
        _libcni.Run("del", Stock, Id).Require();
    }

    [Fact]
    public void A_container_whose_namespace_is_gone_is_deleted_from_the_cached_configuration()
    {
        _libcni.Run("add", Stock, Id).Require();
        _frame.Execute("ip", "netns", "del", Id).Require();
        _libcni.Run("del", Stock, Id, "NETNS=").Require();
        _frame.AssertClean();
    }

    [Fact]
    public void Validation_tells_the_capabilities() =>
        Assert.Equal(["bandwidth", "cgroupPath", "portMappings"], _libcni.Validate(Stock).Require().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));

    [Theory]
    [InlineData("0.2.0", "ip4", false)]
    [InlineData("0.3.0", "ips", false)]
    [InlineData("0.3.1", "ips", false)]
    [InlineData("0.4.0", "ips", true)]
    [InlineData("1.0.0", "ips", true)]
    public void A_result_is_of_the_version_that_the_configuration_names(string version, string member, bool checks)
    {
        _frame.Write("/etc/cni/net.d/10-versions.conflist", $$"""{"cniVersion":"{{version}}","name":"versions","plugins":[{{Isolate}}]}""");
        JsonObject added = Json(_libcni.Run("add", "versions", Id).Require());
        Assert.Equal(version, (string?)added["cniVersion"]);
        Assert.NotNull(added[member]);
        CommandResult check = _libcni.Run("check", "versions", Id);
        Assert.True(check.ExitCode == 0 == checks, check.Error);
        _libcni.Run("del", "versions", Id).Require();
        _frame.AssertClean();
    }

    [Fact]
    public void A_version_that_the_library_does_not_know_is_its_error_and_DEL_leaves_nothing()
    {
        _frame.Write("/etc/cni/net.d/10-new.conflist", $$"""{"cniVersion":"1.1.0","name":"new","plugins":[{{Isolate}}]}""");
        CommandResult refused = _libcni.Run("add", "new", Id);
        Assert.NotEqual(0, refused.ExitCode);
        Bed.Says(refused.Error, "1.1.0");
        _libcni.Run("del", "new", Id).Require();
        _frame.AssertClean();
    }

    [Fact]
    public void An_error_is_passed_on_whole_and_nothing_is_kept()
    {
        using EchoServer holder = EchoServer.Start(_frame.Host, Transport.Tcp, _frame.Net.HostAddress, Port);
        CommandResult refused = _libcni.Run("add", Stock, Id, $$"""CAPABILITIES={"portMappings":[{"hostPort":{{Port}},"containerPort":{{Port}},"protocol":"tcp"}]}""");
        Assert.NotEqual(0, refused.ExitCode);
        Bed.Says(refused.Error, "plugin type=\"cni-portmap-isolate\"", "failed (add)", $"port tcp/{Port} is taken", $"listens on {_frame.Net.HostAddress}:{Port}");
        _frame.AssertClean();
    }

    [Fact]
    public void Before_tuning_in_a_chain()
    {
        Chain(Isolate, """{"type":"tuning","sysctl":{"net.core.somaxconn":"500"}}""");
        JsonObject added = Json(_libcni.Run("add", "chain", Id).Require());
        Assert.Equal("eth0", (string?)added["interfaces"]![1]!["name"]);
        Assert.Equal("500", Sysctl("net.core.somaxconn"));
        _libcni.Run("check", "chain", Id).Require();

        // An operator's own value does no harm to the attachment, but tuning finds it.
        _frame.Execute("ip", "netns", "exec", Id, "sysctl", "-qw", "net.core.somaxconn=501").Require();
        Bed.Says(_libcni.Run("check", "chain", Id).Error, "Error: Tuning configured value of", "somaxconn");
        _libcni.Run("del", "chain", Id).Require();
        _frame.AssertClean();
    }

    [Fact]
    public void After_tuning_in_a_chain()
    {
        // Tuning wants somebody's result to pass on.
        Chain("""{"type":"loopback"}""", """{"type":"tuning","sysctl":{"net.core.somaxconn":"500"}}""", Isolate);
        JsonObject added = Json(_libcni.Run("add", "chain", Id).Require());
        string[] names = [.. added["interfaces"]!.AsArray().Select(one => (string)one!["name"]!)];
        Assert.Equal("lo", names[0]);
        Assert.Equal("eth0", names[^1]);
        Assert.Equal("500", Sysctl("net.core.somaxconn"));
        Assert.Equal([16384, 17407], Guest.ParseRange(Sysctl("net.ipv4.ip_local_port_range")));
        _libcni.Run("check", "chain", Id).Require();
        _libcni.Run("del", "chain", Id).Require();
        _frame.AssertClean();
    }

    [Fact]
    public void A_tuning_that_takes_the_range_of_ports_away_is_found_by_CHECK()
    {
        Chain(Isolate, """{"type":"tuning","sysctl":{"net.ipv4.ip_local_port_range":"1024 65535"}}""");
        _libcni.Run("add", "chain", Id).Require();
        Bed.Says(_libcni.Run("check", "chain", Id).Error, "CHECK found 1 difference in chain/c1/eth0", "ip_local_port_range", "1024", "16384");
        _libcni.Run("del", "chain", Id).Require();
        _frame.AssertClean();
    }

    [Fact]
    public void DEL_after_a_later_plugin_has_failed_leaves_nothing()
    {
        Chain(Isolate, """{"type":"tuning","sysctl":{"net.no.such":"1"}}""");
        Bed.Says(_libcni.Run("add", "chain", Id).Error, "plugin type=\"tuning\"");
        Assert.Single(_frame.Attachments);
        _libcni.Run("del", "chain", Id).Require();
        _frame.AssertClean();
    }

    private static string Isolate => """{"type":"cni-portmap-isolate","ephemeralPorts":"16384-29695"}""";

    private void Chain(params string[] plugins) =>
        _frame.Write("/etc/cni/net.d/10-chain.conflist", $$"""{"cniVersion":"1.0.0","name":"chain","plugins":[{{string.Join(',', plugins)}}]}""");

    private string Sysctl(string name) => _frame.Execute("ip", "netns", "exec", Id, "sysctl", "-n", name).Require().Trim();

    private static JsonObject Json(string text) => JsonNode.Parse(text)!.AsObject();
}
