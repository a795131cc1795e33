using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using CniIsolator.Testbed;

namespace CniIsolator.Exporter.KernelTests;

/// <summary>The published exporter as a node's installer and counter, beside containers that the published plugin attached.</summary>
public sealed class KubernetesTests : IDisposable
{
    // Eight slices.
    private const string Network = """{"name":"testnet","plugins":[{"type":"cni-portmap-isolate","ephemeralPorts":"16384-24575"}]}""";

    private static readonly string Exporter = Path.Combine(Repository.Root, "artifacts", "bin", "cni-portmap-exporter");

    private readonly Site _site = new();
    private readonly string _directory = Directory.CreateTempSubdirectory("pmit-kubernetes-").FullName;

    public KubernetesTests()
    {
        File.WriteAllText(Config, Network);
        Directory.CreateDirectory(Path.Combine(_directory, "bin"));
        Directory.CreateDirectory(Path.Combine(_directory, "net"));
    }

    private string Config => Path.Combine(_directory, "10-testnet.conflist");

    public void Dispose()
    {
        _site.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void A_node_has_what_its_pods_have_or_could_be_given()
    {
        // Before the first container the store does not know the network.
        Assert.Equal("8 of 8", Advertised());
        _site.Add("pod", "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0");
        Assert.Equal("8 of 8", Advertised());
        _site.Add("other");
        Assert.Equal("7 of 8", Advertised());
        using Socket listener = _site.Topology.Host.Run(() =>
        {
            Socket made = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            made.Bind(new IPEndPoint(IPAddress.Loopback, 24000));
            made.Listen();
            return made;
        });
        Assert.Equal("6 of 8", Advertised());
    }

    [Fact]
    public void Nothing_is_removed_while_a_container_is_attached()
    {
        Run("install").Require();
        Namespace container = _site.Add("pod");
        CommandResult refused = Run("uninstall");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("attached containers: 1.", refused.Error, StringComparison.Ordinal);
        Assert.Equal(2, Files().Length);
        _site.Plugin.Del(container, "pod").Require();
        Run("uninstall").Require();
        Assert.Empty(Files());
    }

    private string[] Files() => Directory.GetFiles(_directory, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 }).Where(path => path != Config).ToArray();

    private CommandResult Run(string command)
    {
        string[] store = command == "uninstall" ? ["--state-dir", _site.Store] : [];
        return _site.Topology.Host.Execute(
            Exporter,
            ["kubernetes", command, "--plugin", Plugin.DefaultBinary, "--config", Config, "--bin-dir", Path.Combine(_directory, "bin"), "--net-dir", Path.Combine(_directory, "net"), .. store]);
    }

    /// <summary>What it would tell a kubelet, of which there is none.</summary>
    private string Advertised()
    {
        using Process process = _site.Topology.Host.Start(new ProcessStartInfo(
            Exporter, ["kubernetes", "advertise", "--config", Config, "--state-dir", _site.Store, "--kubelet-dir", _directory]) { RedirectStandardError = true });
        try
        {
            string? said = process.StandardError.ReadLineAsync().WaitAsync(Wait.Patience).GetAwaiter().GetResult();
            return said!["cni-portmap-exporter: portmap-isolate/slices: ".Length..];
        }
        finally
        {
            process.Kill();
            process.WaitForExit();
        }
    }
}
