using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Tests.Conf;

/// <summary>The configuration files that are shipped do what their README says.</summary>
public sealed class ConflistTests
{
    private const string Stock = "10-portmap-isolate.conflist";
    private const string Complete = "20-portmap-isolate-complete.conflist";

    private static readonly PortRange StockHostRange = new(32768, 60999);
    private static readonly PortRange SqueezedHostRange = new(57344, 60999);
    private static readonly string Directory = Find();

    [Fact]
    public void The_stock_file_says_what_is_expected()
    {
        var configuration = Load(Stock);
        Assert.Equal("portmap-isolate", configuration.Name);
        Assert.Null(configuration.Master);
        Assert.Equal(PortSet.Parse("31000-32000"), configuration.Ports);
        Assert.Equal(PortSet.Parse("16384-29695,61440-65535"), configuration.EphemeralPorts);
        Assert.Equal(1024, configuration.EphemeralPortsPerContainer);
        Assert.False(configuration.Egress.IsLimited);
        Assert.False(configuration.Ingress.IsLimited);
        Assert.False(configuration.UniqueFlow);
    }

    [Fact]
    public void The_stock_file_works_on_a_stock_host()
    {
        var configuration = Load(Stock);
        configuration.CheckAgainstHostRange(StockHostRange);
        Assert.False(configuration.EphemeralPorts.Overlaps(StockHostRange));
        Assert.False(configuration.Ports.Overlaps(StockHostRange));
        Assert.False(configuration.EphemeralPorts.Overlaps(new PortRange(30000, 32767)), "the node ports of Kubernetes");
    }

    [Fact]
    public void The_complete_file_says_what_is_expected()
    {
        var configuration = Load(Complete);
        Assert.Equal("portmap-isolate-complete", configuration.Name);
        Assert.Equal(PortSet.Parse("31000-32000"), configuration.Ports);
        Assert.Equal(PortSet.Parse("32768-57343"), configuration.EphemeralPorts);
        Assert.Equal(1024, configuration.EphemeralPortsPerContainer);
        Assert.Equal(37500UL * 1024, configuration.Egress.Limit);
        Assert.False(configuration.Egress.FromRuntime);
        Assert.False(configuration.Ingress.IsLimited);
        Assert.True(configuration.UniqueFlow);
        Assert.True(configuration.FlowClassifierParent.IsRoot);
    }

    [Fact]
    public void The_complete_file_needs_the_squeezed_range()
    {
        var configuration = Load(Complete);
        configuration.CheckAgainstHostRange(SqueezedHostRange);
        var error = Assert.Throws<CniException>(() => configuration.CheckAgainstHostRange(StockHostRange));
        Assert.Equal(CniErrorCode.InvalidNetworkConfig, error.Code);
    }

    [Theory]
    [InlineData(Stock, 17)]
    [InlineData(Complete, 24)]
    public void No_port_of_the_pool_is_wasted(string file, int containers)
    {
        var configuration = Load(file);
        var size = configuration.EphemeralPortsPerContainer;
        Assert.All(configuration.EphemeralPorts.Ranges, range => Assert.Equal((0, 0), (range.Begin % size, range.Count % size)));
        Assert.Equal(containers, configuration.EphemeralPorts.Count / size);
    }

    [Theory]
    [InlineData(Stock)]
    [InlineData(Complete)]
    public void A_list_has_one_plugin_with_all_capabilities(string file)
    {
        var list = Read(file);
        Assert.Equal("1.0.0", (string?)list["cniVersion"]);
        Assert.Equal(["0.4.0", "1.0.0", "1.1.0"], list["cniVersions"]!.AsArray().Select(version => (string)version!));
        var plugin = Assert.Single(list["plugins"]!.AsArray())!;
        Assert.Equal("cni-portmap-isolate", (string?)plugin["type"]);
        Assert.True((bool?)plugin["capabilities"]!["portMappings"]);
        Assert.True((bool?)plugin["capabilities"]!["bandwidth"]);
        Assert.True((bool?)plugin["capabilities"]!["cgroupPath"]);
    }

    [Theory]
    [InlineData(Stock)]
    [InlineData(Complete)]
    public void What_the_runtime_adds_for_the_capabilities_is_taken(string file)
    {
        var configuration = Load(file, """{"portMappings":[{"hostPort":31005,"containerPort":31005,"protocol":"tcp"}],"bandwidth":{"egressRate":8000000}}""");
        Assert.Equal("tcp/31005", string.Join(' ', configuration.Claims));
        Assert.Equal(1_000_000UL, configuration.Egress.Limit);
        Assert.True(configuration.Egress.FromRuntime);
    }

    [Fact]
    public void The_sysctl_file_changes_nothing_until_a_line_is_chosen()
    {
        var lines = File.ReadAllLines(Path.Combine(Directory, "sysctl.d", "90-portmap-isolate.conf"));
        Assert.All(lines, line => Assert.True(line.Length == 0 || line[0] == '#', line));
        var settings = lines.Select(line => Regex.Match(line, "^#(net[^ ]+) = (.+)$")).Where(match => match.Success)
            .ToDictionary(match => match.Groups[1].Value, match => match.Groups[2].Value);
        Assert.Equal($"{SqueezedHostRange.Begin} {SqueezedHostRange.End}", settings["net.ipv4.ip_local_port_range"]);
        var stock = Load(Stock);
        Assert.Equal(stock.EphemeralPorts.Union(stock.Ports), PortSet.Parse(settings["net.ipv4.ip_local_reserved_ports"]));
    }

    /// <summary>As libcni does it: the plugin's object with the list's name and version, and what the runtime adds.</summary>
    private static NetworkConfiguration Load(string file, string? runtimeConfig = null)
    {
        var list = Read(file);
        var plugin = list["plugins"]![0]!.DeepClone().AsObject();
        plugin["name"] = (string?)list["name"];
        plugin["cniVersion"] = "1.1.0";
        if (runtimeConfig is not null)
        {
            plugin["runtimeConfig"] = JsonNode.Parse(runtimeConfig);
        }

        return NetworkConfiguration.From(CniConfig.Parse(Encoding.UTF8.GetBytes(plugin.ToJsonString())), CniArgs.Parse(null));
    }

    private static JsonObject Read(string file) => JsonNode.Parse(File.ReadAllText(Path.Combine(Directory, file)))!.AsObject();

    private static string Find()
    {
        for (DirectoryInfo? place = new(AppContext.BaseDirectory); place is not null; place = place.Parent)
        {
            if (File.Exists(Path.Combine(place.FullName, "CniIsolator.sln")))
            {
                return Path.Combine(place.FullName, "conf");
            }
        }

        throw new DirectoryNotFoundException($"no CniIsolator.sln above {AppContext.BaseDirectory}");
    }
}
