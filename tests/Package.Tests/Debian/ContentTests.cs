using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Package.Tests.Debian;

/// <summary>What is in the packages, and what Debian's own tools say of them.</summary>
[Collection(PackageCollection.Name)]
public sealed partial class ContentTests(BuiltPackages packages)
{
    [Fact]
    public void Lintian_finds_nothing_above_information()
    {
        // The test runs as root, which lintian remarks upon.
        CommandResult judged = CommandResult.RunIn("", TimeSpan.FromMinutes(5), "lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning",
            packages.Plugin, packages.Exporter);
        Assert.True(judged is { ExitCode: 0, Output: "" }, judged.ToString());
    }

    [Theory]
    [InlineData(Programs.Plugin)]
    [InlineData(Programs.Exporter)]
    public void Its_version_is_that_of_the_program(string package)
    {
        Assert.Equal(CommandResult.Run(Programs.PathOf(package), "--version").Require().Trim(), Suffix().Replace(packages.Field(package, "Version"), ""));
        Assert.Equal("amd64", packages.Field(package, "Architecture"));
        Assert.StartsWith("glibc (= ", packages.Field(package, "Built-Using"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_version_on_the_way_sorts_before_the_release()
    {
        string version = packages.Field(Programs.Plugin, "Version");
        Assert.Equal(0, CommandResult.Run("dpkg", "--compare-versions", version, version.Contains('~') ? "lt" : "ge", Programs.Version).ExitCode);
    }

    [Fact]
    public void The_change_log_ends_with_the_version_of_the_programs() =>
        Assert.StartsWith(
            $"{Programs.Plugin} ({Programs.Version}) ", File.ReadAllText(Path.Combine(Repository.Root, "packaging", "debian", "changelog")), StringComparison.Ordinal);

    [Fact]
    public void The_plugin_is_where_Debian_keeps_plugins_and_no_network_is_configured()
    {
        IReadOnlyDictionary<string, string> files = packages.Files(Programs.Plugin);
        Assert.Equal("-rwxr-xr-x root/root", files["/usr/lib/cni/cni-portmap-isolate"]);
        Assert.Equal("lrwxrwxrwx root/root", files["/usr/sbin/cni-portmap-isolate"]);
        Assert.Contains("/usr/share/doc/cni-portmap-isolate/examples/10-portmap-isolate.conflist", files.Keys);
        Assert.Contains("/usr/share/doc/cni-portmap-isolate/examples/20-portmap-isolate-complete.conflist", files.Keys);
        Assert.Contains("/usr/share/doc/cni-portmap-isolate/examples/kubernetes/daemonset.yaml", files.Keys);
        Assert.Contains("/usr/share/doc/cni-portmap-isolate/docs/configuration.md", files.Keys);
        Assert.Contains("/usr/share/man/man8/cni-portmap-isolate.8.gz", files.Keys);
        Assert.DoesNotContain(files.Keys, path => path.StartsWith("/etc/cni", StringComparison.Ordinal) || path.StartsWith("/opt", StringComparison.Ordinal));
        Assert.Equal(["/etc/logrotate.d/cni-portmap-isolate", "/etc/sysctl.d/90-portmap-isolate.conf"], ConfigurationFiles(Programs.Plugin));
    }

    /// <summary>Some runtimes run every program in the plugins' directory.</summary>
    [Fact]
    public void The_exporter_is_not_among_the_plugins()
    {
        IReadOnlyDictionary<string, string> files = packages.Files(Programs.Exporter);
        Assert.Equal("-rwxr-xr-x root/root", files["/usr/sbin/cni-portmap-exporter"]);
        Assert.DoesNotContain(files.Keys, path => path.StartsWith("/usr/lib/cni", StringComparison.Ordinal));
        Assert.Contains("/usr/lib/sysusers.d/cni-portmap-exporter.conf", files.Keys);
        Assert.Contains("/usr/share/man/man8/cni-portmap-exporter.8.gz", files.Keys);
        Assert.Equal(["/etc/default/cni-portmap-exporter"], ConfigurationFiles(Programs.Exporter));
    }

    [Fact]
    public void Conffiles_are_all_that_is_in_etc() => Assert.All((string[])[Programs.Plugin, Programs.Exporter], package =>
        Assert.Equal(
            packages.Files(package).Keys.Where(path => path.StartsWith("/etc/", StringComparison.Ordinal)).Order(StringComparer.Ordinal), ConfigurationFiles(package)));

    [Theory]
    [InlineData(Programs.Plugin, "usr/lib/cni")]
    [InlineData(Programs.Exporter, "usr/sbin")]
    public void The_program_is_the_one_that_was_published(string package, string directory)
    {
        using Scratch place = new("unpacked");
        packages.Unpack(package, place.Path);
        Assert.True(File.ReadAllBytes(Programs.PathOf(package)).AsSpan().SequenceEqual(File.ReadAllBytes(place.At($"{directory}/{package}"))));
    }

    [Fact]
    public void The_service_is_the_one_of_conf_at_another_place()
    {
        using Scratch place = new("unpacked");
        packages.Unpack(Programs.Exporter, place.Path);
        string unit = "systemd/cni-portmap-exporter.service";
        string[] given = File.ReadAllLines(Path.Combine(Repository.Root, "conf", unit));
        string[] shipped = File.ReadAllLines(place.At("lib/systemd/system/cni-portmap-exporter.service"));
        Assert.Equal(Compared(given).Select(line => line.Replace("/usr/local/bin/", "/usr/sbin/", StringComparison.Ordinal)), Compared(shipped));
        Assert.Contains("Documentation=man:cni-portmap-exporter(8)", shipped);
        Assert.DoesNotContain(shipped, line => line.Contains("/usr/local", StringComparison.Ordinal));
    }

    [Fact]
    public void The_same_programs_make_the_same_packages()
    {
        using BuiltPackages again = new();
        Assert.All((string[])[Programs.Plugin, Programs.Exporter], package =>
            Assert.True(File.ReadAllBytes(packages.Of(package)).AsSpan().SequenceEqual(File.ReadAllBytes(again.Of(package))), package));
    }

    /// <summary>Without the first line, which tells where the file belongs, and the place of its documentation.</summary>
    private static IEnumerable<string> Compared(string[] unit) => unit.Skip(1).Where(line => !line.StartsWith("Documentation=", StringComparison.Ordinal));

    private string[] ConfigurationFiles(string package) =>
    [
        .. CommandResult.Run("dpkg-deb", "--info", packages.Of(package), "conffiles").Require().Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Order(StringComparer.Ordinal),
    ];

    [GeneratedRegex("[~+].*")]
    private static partial Regex Suffix();
}
