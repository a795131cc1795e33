using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CniIsolator.Ipam;
using CniIsolator.Testbed;

namespace CniIsolator.Conf.Tests;

/// <summary>Each network configuration through the published plugin, on a host as the file wants it; and that the orchestrators' files say the same as it.</summary>
public sealed partial class NetworkTests
{
    [Theory]
    [InlineData("kubernetes/10-portmap-isolate.conflist", 34)]
    [InlineData("nomad/portmap-isolate.conflist", 17)]
    [InlineData("crio/10-portmap-isolate.conflist", 17)]
    [InlineData("mesos/portmap-isolate.conf", 24)]
    public void A_container_is_attached_checked_and_detached(string file, int slices)
    {
        using Topology topology = new();
        bool squeezed = file.StartsWith("mesos/", StringComparison.Ordinal);
        topology.Host.Execute("sh", "-c", $"echo {(squeezed ? "57344 60999" : "32768 60999")} >/proc/sys/net/ipv4/ip_local_port_range").Require();
        JsonObject network = Runtime(file, topology);
        Plugin plugin = new(topology);
        Namespace container = topology.AddContainerNamespace();
        PluginCall add = plugin.Attachment("ADD", container.Path, "c1") with { Input = network.ToJsonString() };
        PluginResult added = plugin.Run(add).Require();
        Assert.Matches(HostEnd(), topology.Host.Ip("-o link show"));
        string[] slice = container.Sysctl("net/ipv4/ip_local_port_range").Split('\t');
        int size = (int?)network["ephemeralPortsPerContainer"] ?? SliceAllocator.DefaultSize;
        Assert.Equal(size, int.Parse(slice[1]) - int.Parse(slice[0]) + 1);
        Assert.Equal(slices, SliceAllocator.Capacity(PortSet.Parse((string)network["ephemeralPorts"]!), [], size).Total);
        if (squeezed)
        {
            // The only form in which Mesos finds an address.
            Assert.True(added.Member("ip4")!.Value.TryGetProperty("ip", out _));
        }
        else
        {
            foreach (string command in (string[])["CHECK", "STATUS"])
            {
                JsonObject input = network.DeepClone().AsObject();
                input["cniVersion"] = "1.1.0";
                input["prevResult"] = JsonNode.Parse(added.Output);
                input["prevResult"]!["cniVersion"] = "1.1.0";
                plugin.Run(add with { Command = command, Input = input.ToJsonString() }).Require();
            }
        }

        plugin.Run(add with { Command = "DEL" }).Require();
        Assert.DoesNotMatch(HostEnd(), topology.Host.Ip("-o link show"));
    }

    [Fact]
    public void Nomad_gives_out_the_networks_ports_and_keeps_away_from_its_pool()
    {
        JsonNode network = Plugins("nomad/portmap-isolate.conflist");
        Dictionary<string, string> client = Hcl("nomad/client.hcl");
        Assert.Equal((string)network["ports"]!, $"{client["min_dynamic_port"]}-{client["max_dynamic_port"]}");
        Assert.Equal((string)network["ephemeralPorts"]!, client["reserved_ports"]);
        Assert.Equal("17", client["node_max_allocs"]);
        Assert.Equal("17", client["portmap_slices"]);
        Dictionary<string, string> job = Hcl("nomad/job.hcl");
        Assert.Equal($"cni/{JsonNode.Parse(ConfFile.Read("nomad/portmap-isolate.conflist"))!["name"]}", job["mode"]);
        int example = int.Parse(Static().Match(ConfFile.Read("nomad/job.hcl")).Groups[1].Value);
        Assert.True(PortSet.Parse((string)network["ports"]!).Contains(example));
    }

    [Theory]
    [InlineData("nomad/client.hcl")]
    [InlineData("nomad/job.hcl")]
    public void Nomads_files_have_as_many_braces_as_they_close(string file)
    {
        string text = Comment().Replace(ConfFile.Read(file), "");
        Assert.Equal(text.Count(c => c == '{'), text.Count(c => c == '}'));
        Assert.Equal(0, text.Count(c => c == '"') % 2);
    }

    [Fact]
    public void Crio_takes_the_network_by_name_and_maps_nothing_itself()
    {
        JsonObject crio = ParsedFile.Toml("crio/crio.conf.d/90-portmap-isolate.conf");
        JsonNode network = JsonNode.Parse(ConfFile.Read("crio/10-portmap-isolate.conflist"))!;
        Assert.Equal((string)network["name"]!, (string)crio["crio"]!["network"]!["cni_default_network"]!);
        Assert.True((bool)crio["crio"]!["runtime"]!["disable_hostport_mapping"]!);

        // It hands ports to no plugin.
        Assert.Null(network["plugins"]![0]!["capabilities"]!["portMappings"]);
    }

    [Fact]
    public void Mesos_reads_a_single_plugin_without_a_version()
    {
        JsonObject network = JsonNode.Parse(ConfFile.Read("mesos/portmap-isolate.conf"))!.AsObject();
        Assert.Equal("cni-portmap-isolate", (string)network["type"]!);
        Assert.Null(network["cniVersion"]);
        Assert.Contains($"ports:[{network["ports"]}]", ConfFile.Read("mesos/README.md"), StringComparison.Ordinal);
    }

    /// <summary>As a runtime hands it on: a list's plugin with version and name; store and log where the test can see to them.</summary>
    private static JsonObject Runtime(string file, Topology topology)
    {
        JsonObject read = JsonNode.Parse(ConfFile.Read(file))!.AsObject();
        JsonObject plugin = (read["plugins"]?[0] ?? read).DeepClone().AsObject();
        plugin["name"] = (string)read["name"]!;
        if (read["cniVersion"] is { } version)
        {
            plugin["cniVersion"] = (string)version!;
        }

        NetworkConfig own = new(topology);
        plugin["stateDir"] = own.StateDirectory;
        plugin["logFile"] = own.LogFile;
        return plugin;
    }

    private static JsonNode Plugins(string file) => JsonNode.Parse(ConfFile.Read(file))!["plugins"]![0]!;

    /// <summary>All "name = value" of a file, whatever block they are in; each name once.</summary>
    private static Dictionary<string, string> Hcl(string file)
    {
        Dictionary<string, string> values = [];
        foreach (Match match in Setting().Matches(Comment().Replace(ConfFile.Read(file), "")))
        {
            values[match.Groups[1].Value] = match.Groups[2].Value.Trim().Trim('"');
        }

        return values;
    }

    [GeneratedRegex(@"^\s*(\w+)\s*=\s*(.+)$", RegexOptions.Multiline)]
    private static partial Regex Setting();

    [GeneratedRegex(@"^\s*#.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();

    [GeneratedRegex("^[0-9]+: pmi[0-9a-f]{12}@", RegexOptions.Multiline)]
    private static partial Regex HostEnd();

    [GeneratedRegex(@"static = (\d+)")]
    private static partial Regex Static();
}
