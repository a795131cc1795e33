using CniIsolator.Exporter.CommandLine;
using CniIsolator.Exporter.Kubernetes;

namespace CniIsolator.Exporter.Tests.Kubernetes;

/// <summary>Installs into directories of one test, by the command line.</summary>
public sealed class HostFilesTests : IDisposable
{
    private const string Network = """{"name":"n","plugins":[{"type":"cni-portmap-isolate","ephemeralPorts":"16384-29695"}]}""";

    private readonly string _root = Directory.CreateTempSubdirectory("host-files-").FullName;
    private readonly string _plugin;
    private readonly string _config;
    private readonly string _bin;
    private readonly string _net;

    public HostFilesTests()
    {
        (_plugin, _config) = (Path.Combine(_root, "image-plugin"), Path.Combine(_root, "10-n.conflist"));
        (_bin, _net) = (Path.Combine(_root, "bin"), Path.Combine(_root, "net.d"));
        Directory.CreateDirectory(_bin);
        Directory.CreateDirectory(_net);
        File.WriteAllBytes(_plugin, [.. Enumerable.Range(0, 200_000).Select(i => (byte)(i * 7))]);
        File.WriteAllText(_config, Network);
    }

    private string Installed => Path.Combine(_bin, "cni-portmap-isolate");

    private string Configured => Path.Combine(_net, "10-n.conflist");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task Installs_both_with_their_modes_and_leaves_what_is_the_same_alone()
    {
        var (code, error) = await RunAsync("install");
        Assert.Equal(0, code);
        Assert.True(error.IndexOf($"{Installed}: installed", StringComparison.Ordinal) < error.IndexOf($"{Configured}: installed", StringComparison.Ordinal), error);
        Assert.Equal(File.ReadAllBytes(_plugin), File.ReadAllBytes(Installed));
        Assert.Equal(Network, File.ReadAllText(Configured));
        Assert.Equal((FileReplacement.Program, FileReplacement.Data), (File.GetUnixFileMode(Installed), File.GetUnixFileMode(Configured)));
        var before = File.GetLastWriteTimeUtc(Installed);
        (code, error) = await RunAsync("install");
        Assert.Equal(0, code);
        Assert.Contains($"{Installed}: in place", error, StringComparison.Ordinal);
        Assert.Contains($"{Configured}: in place", error, StringComparison.Ordinal);
        Assert.Equal(before, File.GetLastWriteTimeUtc(Installed));
        Assert.Equal(["10-n.conflist", "cni-portmap-isolate"], Names());
    }

    [Fact]
    public async Task Replaces_what_is_being_executed_and_what_a_killed_installer_left()
    {
        File.Copy("/bin/sleep", Installed);
        using var running = System.Diagnostics.Process.Start(Installed, "600");
        try
        {
            File.WriteAllText(Path.Combine(_bin, ".cni-portmap-isolate.new"), "half");
            File.SetUnixFileMode(_plugin, UnixFileMode.UserRead);
            Assert.Equal(0, (await RunAsync("install")).Code);
            Assert.Equal(File.ReadAllBytes(_plugin), File.ReadAllBytes(Installed));
            Assert.False(running.HasExited);
            Assert.Equal(["10-n.conflist", "cni-portmap-isolate"], Names());
        }
        finally
        {
            running.Kill();
            running.WaitForExit();
        }
    }

    [Fact]
    public async Task A_mode_that_was_changed_is_put_right()
    {
        await RunAsync("install");
        File.SetUnixFileMode(Installed, UnixFileMode.UserRead);
        Assert.Equal(0, (await RunAsync("install")).Code);
        Assert.Equal(FileReplacement.Program, File.GetUnixFileMode(Installed));
    }

    [Fact]
    public async Task A_network_of_ours_is_replaced()
    {
        File.WriteAllText(Configured, """{"type":"cni-portmap-isolate"}""");
        Assert.Equal(0, (await RunAsync("install")).Code);
        Assert.Equal(Network, File.ReadAllText(Configured));
    }

    [Theory]
    [InlineData("""{"plugins":[{"type":"bridge"}]}""")]
    [InlineData("not JSON")]
    public async Task A_network_of_others_is_neither_overwritten_nor_removed(string content)
    {
        File.WriteAllText(Configured, content);
        var (code, error) = await RunAsync("install");
        Assert.Equal(1, code);
        Assert.Contains("a network of others", error, StringComparison.Ordinal);
        Assert.False(File.Exists(Installed));
        Assert.Equal(0, (await RunAsync("uninstall")).Code);
        Assert.Equal(content, File.ReadAllText(Configured));
    }

    [Fact]
    public async Task A_file_that_a_runtime_would_take_first_is_pointed_out()
    {
        File.WriteAllText(Path.Combine(_net, "05-other.conf"), "{}");
        File.WriteAllText(Path.Combine(_net, "05-other.conf.bak"), "{}");
        File.WriteAllText(Path.Combine(_net, "99-other.conf"), "{}");
        var (code, error) = await RunAsync("install");
        Assert.Equal(0, code);
        Assert.Contains("warning: " + Path.Combine(_net, "05-other.conf") + " comes before", error, StringComparison.Ordinal);
        Assert.Single(error.Split('\n'), line => line.Contains("warning", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_no_network_of_ours_is_not_installed()
    {
        File.WriteAllText(_config, """{"plugins":[{"type":"bridge"}]}""");
        var (code, error) = await RunAsync("install");
        Assert.Equal(1, code);
        Assert.Contains($"{_config}: none of its plugins is cni-portmap-isolate", error, StringComparison.Ordinal);
        Assert.Empty(Names());
    }

    [Fact]
    public async Task A_host_directory_that_is_not_mounted_is_a_fault()
    {
        Directory.Delete(_bin);
        var (code, error) = await RunAsync("install");
        Assert.Equal(1, code);
        Assert.Contains($"{_bin}: no such directory", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Uninstalls_both_and_again()
    {
        await RunAsync("install");
        var (code, error) = await RunAsync("uninstall");
        Assert.Equal(0, code);
        Assert.True(error.IndexOf($"{Configured}: removed", StringComparison.Ordinal) < error.IndexOf($"{Installed}: removed", StringComparison.Ordinal), error);
        Assert.Empty(Names());
        (code, error) = await RunAsync("uninstall");
        Assert.Equal(0, code);
        Assert.Contains("not there", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_plugin_that_somebody_else_put_there_stays()
    {
        await RunAsync("install");
        File.AppendAllText(Installed, "x");
        var (code, error) = await RunAsync("uninstall");
        Assert.Equal(0, code);
        Assert.Contains("not the file that was installed", error, StringComparison.Ordinal);
        Assert.Equal(["cni-portmap-isolate"], Names());
    }

    [Theory]
    [InlineData("kubernetes")]
    [InlineData("--resource \"slices\": expected DOMAIN/NAME", "kubernetes", "advertise", "--resource", "slices")]
    [InlineData("--plugin: \"\" is not a path", "kubernetes", "install", "--plugin", "")]
    [InlineData("--force", "kubernetes", "install", "--force")]
    public async Task A_wrong_command_line_ends_with_2(string named, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        Assert.Equal(2, await ExporterCommand.RunAsync(args.Length == 0 ? [named] : args, output, error));
        Assert.Contains(args.Length == 0 ? "Try:" : named, error.ToString(), StringComparison.Ordinal);
    }

    private string[] Names() => [.. Directory.GetFileSystemEntries(_bin).Concat(Directory.GetFileSystemEntries(_net)).Select(p => Path.GetFileName(p)!).Order(StringComparer.Ordinal)];

    private async Task<(int Code, string Error)> RunAsync(string command)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        string[] store = command == "uninstall" ? ["--state-dir", Path.Combine(_root, "no-store")] : [];
        var code = await ExporterCommand.RunAsync(
            ["kubernetes", command, "--plugin", _plugin, "--config", _config, "--bin-dir", _bin, "--net-dir", _net, .. store], output, error);
        Assert.Equal("", output.ToString());
        return (code, error.ToString());
    }
}
