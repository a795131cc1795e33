using System.Net;
using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Package.Tests.Debian;

/// <summary>The packages are installed, used, removed and purged in a Debian of the test's own, on a host of the test's own.</summary>
[Collection(PackageCollection.Name)]
public sealed class InstallationTests : IDisposable
{
    private const string State = "run/cni-portmap-isolate";
    private const string Log = "var/log/cni-portmap-isolate.log";
    private const string Wanted = "etc/systemd/system/multi-user.target.wants/cni-portmap-exporter.service";

    private readonly BuiltPackages _packages;
    private readonly MinimalRoot _root = new();
    private readonly Topology _net;
    private readonly Plugin _plugin;
    private readonly KernelState _kernel;
    private readonly IReadOnlyList<string> _files;

    public InstallationTests(BuiltPackages packages)
    {
        _packages = packages;
        try
        {
            _net = new Topology();
            Host.Ip("link set lo address 02:00:00:00:00:0a");
            NetworkConfig config = new NetworkConfig(_net) { StateDirectory = null, LogFile = null };
            _plugin = new Plugin(_net, config, "/usr/lib/cni/cni-portmap-isolate").Through(_root.Wrapper);
            _kernel = Settled();
            File.Copy(packages.Plugin, _root.At("plugin.deb"));
            File.Copy(packages.Exporter, _root.At("exporter.deb"));
            _files = _root.Snapshot();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private Namespace Host => _net.Host;

    public void Dispose()
    {
        _net?.Dispose();
        _root.Dispose();
    }

    [Fact]
    public void Installed_used_and_purged_they_leave_nothing()
    {
        Run("dpkg", "--install", "/plugin.deb", "/exporter.deb");
        Assert.Equal(Programs.Version, Run("/usr/lib/cni/cni-portmap-isolate", "--version").Trim());
        Assert.Equal(Programs.Version, Run("cni-portmap-exporter", "--version").Trim());
        Assert.False(Directory.Exists(_root.At("etc/cni")), "a network was configured");

        // The user of the service, without a shell; the service itself, for when systemd runs.
        Assert.Contains("cni-portmap-exporter:x:", Run("getent", "passwd", "cni-portmap-exporter"), StringComparison.Ordinal);
        Assert.Contains("nologin", Run("getent", "passwd", "cni-portmap-exporter"), StringComparison.Ordinal);
        Assert.NotNull(new FileInfo(_root.At(Wanted)).LinkTarget);
        CommandResult unit = _root.Run(Host, "systemd-analyze", "verify", "--man=no", "cni-portmap-exporter.service");
        Directory.Delete(_root.At("run/systemd"), recursive: true);
        Assert.True(unit is { ExitCode: 0, Output: "", Error: "" }, unit.ToString());

        // The example fits a stock host.
        Run("cni-portmap-isolate", "doctor", "--config", "/usr/share/doc/cni-portmap-isolate/examples/10-portmap-isolate.conflist");

        Namespace container = Add("c1");
        Assert.Contains("c1", Run("cni-portmap-isolate", "list"), StringComparison.Ordinal);
        Assert.True(File.Exists(_root.At(Log)));
        _plugin.Del(container, "c1").Require();
        File.WriteAllText(_root.At(Log + ".1"), "what logrotate has made");

        string told = Run("dpkg", "--purge", "cni-portmap-isolate", "cni-portmap-exporter");
        Assert.Contains("removed /run/cni-portmap-isolate", told, StringComparison.Ordinal);
        AssertNothingIsLeft();
    }

    [Fact]
    public async Task Removing_the_plugin_detaches_nothing_that_lives()
    {
        Run("dpkg", "--install", "/plugin.deb");
        Namespace container = Add("c1", 31005);
        KernelState attached = Settled();

        CommandResult purged = _root.Run(Host, "dpkg", "--purge", "cni-portmap-isolate");
        purged.Require();
        Assert.Contains("1 container lives", purged.Error, StringComparison.Ordinal);
        Assert.Contains("keep their network", purged.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(_root.At("usr/lib/cni/cni-portmap-isolate")));
        Assert.Equal("", attached.Diff(Settled()));
        using (EchoServer server = EchoServer.Start(container, Transport.Tcp, IPAddress.Any, 31005))
        {
            ProbeResult result = await Probe.RunAsync(_net.Out, Transport.Tcp, new IPEndPoint(_net.HostAddress, 31005));
            Assert.True(result.Ok, result.ToString());
        }

        // Installed again it knows the container, and the runtime can detach it.
        Run("dpkg", "--install", "/plugin.deb");
        _plugin.Check(container, "c1", config: _plugin.Config.WithPorts(31005)).Require();
        _plugin.Del(container, "c1", config: _plugin.Config.WithPorts(31005)).Require();
        Run("dpkg", "--purge", "cni-portmap-isolate");
        AssertNothingIsLeft();
    }

    [Fact]
    public void A_container_that_is_gone_is_reaped_by_removal()
    {
        Run("dpkg", "--install", "/plugin.deb");
        Add("c1").Dispose();

        // The kernel takes a namespace down when it has the time.
        Wait.Until(() => !Host.Ip("-o link show").Contains(": pmi", StringComparison.Ordinal), "the container's interface to vanish");
        Run("dpkg", "--remove", "cni-portmap-isolate");
        Assert.False(Directory.Exists(_root.At(State)));
        Assert.True(File.Exists(_root.At(Log)), "the log is for who wants to know what was, until the package is purged");
        Run("dpkg", "--purge", "cni-portmap-isolate");
        AssertNothingIsLeft();
    }

    [Fact]
    public void A_later_version_keeps_what_was_set_and_what_runs()
    {
        Run("dpkg", "--install", "/plugin.deb", "/exporter.deb");
        Namespace container = Add("c1");
        string settings = _root.At("etc/default/cni-portmap-exporter"), ranges = _root.At("etc/sysctl.d/90-portmap-isolate.conf");
        File.AppendAllText(settings, "OPTIONS=--snmp\n");
        File.AppendAllText(ranges, "net.ipv4.ip_local_port_range = 57344 60999\n");
        KernelState attached = Settled();

        CommandResult upgraded = _root.Run(Host, "dpkg", "--install", Later(Programs.Plugin), Later(Programs.Exporter));
        upgraded.Require();
        Assert.Equal("", upgraded.Error);
        Assert.Equal("99.0", Run("dpkg-query", "--show", "--showformat=${Version}", "cni-portmap-isolate"));
        Assert.EndsWith("OPTIONS=--snmp\n", File.ReadAllText(settings), StringComparison.Ordinal);
        Assert.EndsWith("57344 60999\n", File.ReadAllText(ranges), StringComparison.Ordinal);
        Assert.Equal("", attached.Diff(Settled()));
        _plugin.Check(container, "c1").Require();

        _plugin.Del(container, "c1").Require();
        Run("dpkg", "--purge", "cni-portmap-isolate", "cni-portmap-exporter");
        File.Delete(_root.At($"tmp/{Programs.Plugin}.deb"));
        File.Delete(_root.At($"tmp/{Programs.Exporter}.deb"));
        AssertNothingIsLeft();
    }

    /// <summary>The README's way without a package has the user in /etc/sysusers.d.</summary>
    [Fact]
    public void A_user_that_the_administrator_asked_for_stays()
    {
        Directory.CreateDirectory(_root.At("etc/sysusers.d"));
        File.Copy(Path.Combine(Repository.Root, "conf", "sysusers.d", "cni-portmap-exporter.conf"), _root.At("etc/sysusers.d/cni-portmap-exporter.conf"));
        Run("dpkg", "--install", "/exporter.deb");
        Run("dpkg", "--purge", "cni-portmap-exporter");
        Run("getent", "passwd", "cni-portmap-exporter");
    }

    private string Run(string command, params string[] arguments) => _root.Run(Host, command, arguments).Require();

    private Namespace Add(string id, params int[] ports)
    {
        Namespace container = _net.AddContainerNamespace();
        _plugin.Add(container, id, config: _plugin.Config.WithPorts(ports)).Require();
        return container;
    }

    /// <summary>The host once the carrier of new links has been noticed, which the kernel does a little later.</summary>
    private KernelState Settled()
    {
        Wait.Until(() => !Host.Ip("-o link show up").Contains("NO-CARRIER", StringComparison.Ordinal), "the carrier of links");
        return KernelState.Snapshot(Host);
    }

    /// <summary>The package with a version that comes after, by its path in the root.</summary>
    private string Later(string package)
    {
        using Scratch place = new("later");
        CommandResult.Run("dpkg-deb", "--raw-extract", _packages.Of(package), place.Path).Require();
        string control = place.At("DEBIAN/control");
        File.WriteAllText(control, Regex.Replace(File.ReadAllText(control), "(?m)^Version: .*$", "Version: 99.0"));
        CommandResult.Run("dpkg-deb", "-Znone", "--root-owner-group", "--build", place.Path, _root.At("tmp/later.deb")).Require();
        File.Move(_root.At("tmp/later.deb"), _root.At($"tmp/{package}.deb"));
        return $"/tmp/{package}.deb";
    }

    private void AssertNothingIsLeft()
    {
        IReadOnlyList<string> now = _root.Snapshot();
        Assert.Equal([], now.Except(_files));
        Assert.Equal([], _files.Except(now));
        Assert.Equal("", _kernel.Diff(Settled()));
        Assert.DoesNotContain("cni-portmap", Run("dpkg-query", "--show"), StringComparison.Ordinal);
    }
}
