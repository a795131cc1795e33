using System.Text;
using System.Text.Json.Nodes;
using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Tests.Conf;

public class ShippedConfigurationTests
{
    [Fact]
    public void The_stock_configuration_stays_clear_of_the_kernel_s_default_range()
    {
        var configuration = Read("10-portmap-isolate.conflist");
        configuration.CheckAgainstHostRange(PortRange.Parse("32768-60999"));
        Assert.Equal(PortSet.Parse("16384-30719"), configuration.EphemeralPorts);
        Assert.Equal(PortSet.Parse("31000-32000"), configuration.Ports);
        Assert.Equal(1024, configuration.EphemeralPortsPerContainer);
        Assert.False(configuration.Egress.IsLimited);
    }

    [Fact]
    public void The_complete_configuration_is_the_operator_s_example()
    {
        var configuration = Read("20-portmap-isolate-complete.conflist");
        configuration.CheckAgainstHostRange(PortRange.Parse("57344-60999"));
        Assert.Throws<CniException>(() => configuration.CheckAgainstHostRange(PortRange.Parse("32768-60999")));
        Assert.Equal(PortSet.Parse("32768-57343"), configuration.EphemeralPorts);
        Assert.Equal(37500UL * 1024, configuration.Egress.Limit);
        Assert.True(configuration.UniqueFlow);
    }

    [Theory]
    [InlineData("10-portmap-isolate.conflist")]
    [InlineData("20-portmap-isolate-complete.conflist")]
    public void Old_and_new_runtimes_find_a_version_they_know(string file)
    {
        var list = Load(file);
        Assert.Equal("1.0.0", (string?)list["cniVersion"]);
        Assert.Equal(["0.4.0", "1.0.0", "1.1.0"], list["cniVersions"]!.AsArray().Select(v => (string?)v));
        Assert.All(["portMappings", "bandwidth"], capability => Assert.True((bool?)list["plugins"]![0]!["capabilities"]![capability]));
    }

    [Fact]
    public void The_sysctl_file_has_the_range_that_the_complete_configuration_needs()
    {
        var lines = File.ReadAllLines(Path.Combine(Folder, "sysctl.d", "90-portmap-isolate.conf"));
        Assert.Equal(["net.ipv4.ip_local_port_range = 57344 60999"], lines.Where(l => l.Length > 0 && !l.StartsWith('#')));
    }

    private static string Folder
    {
        get
        {
            var folder = AppContext.BaseDirectory;
            while (!File.Exists(Path.Combine(folder, "CniIsolator.sln")))
            {
                folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("not below the repository");
            }

            return Path.Combine(folder, "conf");
        }
    }

    private static JsonNode Load(string file) => JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, file)))!;

    private static NetworkConfiguration Read(string file)
    {
        var list = Load(file);
        var plugin = list["plugins"]![0]!.DeepClone().AsObject();
        plugin["name"] = list["name"]!.DeepClone();
        plugin["cniVersion"] = list["cniVersion"]!.DeepClone();
        return NetworkConfiguration.From(CniConfig.Parse(Encoding.UTF8.GetBytes(plugin.ToJsonString())), CniArgs.Empty);
    }
}
