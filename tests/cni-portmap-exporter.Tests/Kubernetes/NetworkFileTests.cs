using System.Text;
using CniIsolator.Exporter.Kubernetes;

namespace CniIsolator.Exporter.Tests.Kubernetes;

public sealed class NetworkFileTests
{
    [Theory]
    [InlineData("""{"name":"n","plugins":[{"type":"tuning"},{"type":"cni-portmap-isolate","ephemeralPorts":"1024-2047,4096-4099","ephemeralPortsPerContainer":16}]}""")]
    [InlineData("""{"Name":"n","PLUGINS":[{"TYPE":"cni-portmap-isolate","EphemeralPorts":"1024-2047,4096-4099","EPHEMERALPORTSPERCONTAINER":16}]}""")]
    [InlineData("""{"name":"n","type":"cni-portmap-isolate","ephemeralPorts":"1024-2047,4096-4099","ephemeralPortsPerContainer":16}""")]
    public void Lists_and_single_plugins_are_read_in_any_case(string json)
    {
        var read = Parse(json)!;
        Assert.Equal(("n", 16, 1028), (read.Name, read.EphemeralPortsPerContainer, read.EphemeralPorts!.Count));
    }

    [Fact]
    public void What_is_not_given_is_the_plugins_default()
    {
        var read = Parse("""{"type":"cni-portmap-isolate"}""")!;
        Assert.Equal(("", null, 1024), (read.Name, read.EphemeralPorts, read.EphemeralPortsPerContainer));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"plugins":[]}""")]
    [InlineData("""{"plugins":[1,{"type":"bridge"},{"type":["cni-portmap-isolate"]}]}""")]
    [InlineData("""{"type":"cni-portmap-isolate-not"}""")]
    public void A_network_of_others_is_none(string json) => Assert.Null(Parse(json));

    [Theory]
    [InlineData("", "not JSON")]
    [InlineData("{", "not JSON")]
    [InlineData("[]", "expected an object")]
    [InlineData("""{"type":"cni-portmap-isolate","ephemeralPorts":"1-x"}""", "1-x")]
    [InlineData("""{"type":"cni-portmap-isolate","ephemeralPortsPerContainer":1000}""", "1000")]
    [InlineData("""{"type":"cni-portmap-isolate","ephemeralPortsPerContainer":"1024"}""", "\"1024\"")]
    [InlineData("""{"type":"cni-portmap-isolate","ephemeralPortsPerContainer":1e99}""", "1e99")]
    public void What_cannot_be_right_is_told_with_the_file(string json, string named)
    {
        var fault = Assert.Throws<IOException>(() => Parse(json));
        Assert.StartsWith("/some/file: ", fault.Message, StringComparison.Ordinal);
        Assert.Contains(named, fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ResourceName.Default, true)]
    [InlineData("example.org/Port-slices_1.x", true)]
    [InlineData("slices", false)]
    [InlineData("/slices", false)]
    [InlineData("example.org/", false)]
    [InlineData("Example.org/slices", false)]
    [InlineData("example..org/slices", false)]
    [InlineData("-example.org/slices", false)]
    [InlineData("example.org/slices.", false)]
    [InlineData("example.org/a/b", false)]
    [InlineData("kubernetes.io/slices", false)]
    [InlineData("node.kubernetes.io/slices", false)]
    [InlineData("requests.example.org/slices", false)]
    public void Resources_have_names_that_the_API_server_takes(string name, bool good) => Assert.Equal(good, ResourceName.FindFault(name) is null);

    [Fact]
    public void A_socket_whose_path_is_too_long_is_refused_before_it_is_tried()
    {
        Assert.Null(new AdvertiserSettings(ResourceName.Default, "/var/lib/kubelet/device-plugins").FindFault());
        Assert.Contains("longer than 107 bytes", new AdvertiserSettings("a/" + new string('b', 63), new string('/', 40)).FindFault(), StringComparison.Ordinal);
    }

    private static NetworkFile? Parse(string json) => NetworkFile.Parse(Encoding.UTF8.GetBytes(json), "/some/file");
}
