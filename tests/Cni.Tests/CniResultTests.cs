using System.Text.Encodings.Web;
using System.Text.Json;

namespace CniIsolator.Cni.Tests;

public sealed class CniResultTests
{
    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private const string Host = """{"name":"pmi0123456789ab","mac":"02:00:00:00:00:01"}""";
    private const string Eth0 = """{"name":"eth0","mac":"02:00:00:00:00:02","sandbox":"/run/netns/x"}""";
    private const string Routes = """[{"dst":"0.0.0.0/0","gw":"192.0.2.1"}]""";
    private const string Address = """
        "address":"192.0.2.5/24","gateway":"192.0.2.1"}],"routes":
        """ + Routes + ""","dns":{}}""";

    private const string Legacy = """
        ,"ip4":{"ip":"192.0.2.5/24","gateway":"192.0.2.1","routes":
        """ + Routes + """},"dns":{}}""";

    private const string Interfaces = ""","interfaces":[""" + Host + "," + Eth0 + "],";
    private const string WithVersion = Interfaces + "\"ips\":[{\"version\":\"4\",\"interface\":1," + Address;
    private const string WithoutVersion = Interfaces + "\"ips\":[{\"interface\":1," + Address;
    private const string WithMtu =
        ""","interfaces":[{"name":"pmi0123456789ab","mac":"02:00:00:00:00:01","mtu":1500},{"name":"eth0","mac":"02:00:00:00:00:02","mtu":1500,"sandbox":"/run/netns/x"}],"""
        + "\"ips\":[{\"interface\":1," + Address;

    [Theory]
    [InlineData("0.1.0", Legacy)]
    [InlineData("0.2.0", Legacy)]
    [InlineData("0.3.0", WithVersion)]
    [InlineData("0.3.1", WithVersion)]
    [InlineData("0.4.0", WithVersion)]
    [InlineData("1.0.0", WithoutVersion)]
    [InlineData("1.1.0", WithMtu)]
    public void Every_version_has_its_shape(string version, string golden) =>
        Assert.Equal("{\"cniVersion\":\"" + version + "\"" + golden, Compact(Samples.Result.ToJson(CniVersion.Find(version)!)));

    [Fact]
    public void The_layout_is_four_spaces() => Assert.Equal(
        "{\n    \"cniVersion\": \"1.0.0\",\n    \"ips\": [\n        {\n            \"address\": \"192.0.2.5/24\"\n        }\n    ],\n    \"dns\": {}\n}",
        Samples.Text(new CniResult { Ips = [new CniIp("192.0.2.5/24")] }.ToJson(CniVersion.Find("1.0.0")!)));

    [Fact]
    public void Old_versions_hold_the_first_address_of_each_family()
    {
        var result = new CniResult
        {
            Ips = [new("2001:db8::5/64", "2001:db8::1"), new("192.0.2.5/24"), new("192.0.2.6/24"), new("2001:db8::6/64")],
            Routes = [new("::/0", "2001:db8::1"), new("0.0.0.0/0"), new("198.51.100.0/24", "192.0.2.9")],
        };
        Assert.Equal(
            """{"cniVersion":"0.2.0","ip4":{"ip":"192.0.2.5/24","routes":[{"dst":"0.0.0.0/0"},{"dst":"198.51.100.0/24","gw":"192.0.2.9"}]},"ip6":{"ip":"2001:db8::5/64","gateway":"2001:db8::1","routes":[{"dst":"::/0","gw":"2001:db8::1"}]},"dns":{}}""",
            Compact(result.ToJson(CniVersion.Find("0.2.0")!)));
        Assert.Contains("""{"version":"6","address":"2001:db8::5/64",""", Compact(result.ToJson(CniVersion.Find("0.4.0")!)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0.2.0")]
    [InlineData("1.1.0")]
    public void Dns_settings_are_written_without_what_is_not_set(string version)
    {
        var result = Samples.Result with
        {
            Dns = new CniDns { Nameservers = ["10.0.0.1"], Domain = "a.test", Options = ["ndots:5"] },
        };
        Assert.EndsWith(
            ""","dns":{"nameservers":["10.0.0.1"],"domain":"a.test","options":["ndots:5"]}}""",
            Compact(result.ToJson(CniVersion.Find(version)!)), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_version_reads_back()
    {
        foreach (var version in CniVersion.All)
        {
            var json = Samples.Result.ToJson(version);
            var read = Read(Samples.Text(json));
            Assert.Equal(Samples.Text(json), Samples.Text(read.ToJson(version)));
        }
    }

    [Fact]
    public void What_others_put_in_is_passed_on()
    {
        const string json = """
            {"cniVersion":"1.1.0","interfaces":[{"name":"a","mtu":9000,"socketPath":"/s","pciID":"0000:00:1f.6"}],"routes":[{"dst":"10.0.0.0/8","mtu":1400,"advmss":1360,"priority":5,"table":100,"scope":253}],"dns":{"search":["x"]}}
            """;
        Assert.Equal(json.Trim(), Compact(Read(json).ToJson(CniVersion.Newest)));
        Assert.Equal(
            """{"cniVersion":"1.0.0","interfaces":[{"name":"a"}],"routes":[{"dst":"10.0.0.0/8"}],"dns":{"search":["x"]}}""",
            Compact(Read(json).ToJson(CniVersion.Find("1.0.0")!)));
    }

    [Fact]
    public void Appending_shifts_indexes()
    {
        var previous = Read("""{"Interfaces":[{"Name":"a"}],"ips":[{"address":"10.0.0.5/24","interface":-1},{"address":"10.0.0.6/24"}],"routes":null}""");
        var merged = Samples.Result.AppendedTo(previous);
        Assert.Equal(["a", "pmi0123456789ab", "eth0"], merged.Interfaces.Select(i => i.Name));
        Assert.Equal([null, null, 2], merged.Ips.Select(ip => ip.Interface));
        Assert.Equal(Samples.Result.Routes.AsEnumerable(), merged.Routes);
        Assert.Equal(merged.Interfaces.Length, (Samples.Result with { Ips = [new("10.0.0.1/8")] }).AppendedTo(previous).Interfaces.Length);
    }

    [Fact]
    public void Configured_dns_wins_over_that_of_the_previous_result()
    {
        var previous = new CniResult { Dns = new CniDns { Domain = "previous" } };
        Assert.Equal("previous", Samples.Result.AppendedTo(previous).Dns!.Domain);
        Assert.Equal("previous", (Samples.Result with { Dns = new CniDns() }).AppendedTo(previous).Dns!.Domain);
        Assert.Equal("ours", (Samples.Result with { Dns = new CniDns { Domain = "ours" } }).AppendedTo(previous).Dns!.Domain);
    }

    [Theory]
    [InlineData("""[]""", "prevResult: []")]
    [InlineData("""{"ips":[{}]}""", "prevResult.ips[0].address")]
    [InlineData("""{"ips":[{"address":5}]}""", "prevResult.ips[0].address: 5")]
    [InlineData("""{"interfaces":[{"name":"a"}],"ips":[{"address":"10.0.0.1/8","interface":1}]}""", "prevResult.ips[0].interface: 1")]
    [InlineData("""{"interfaces":{}}""", "prevResult.interfaces: {}")]
    [InlineData("""{"routes":[{"gw":"10.0.0.1"}]}""", "prevResult.routes[0].dst")]
    [InlineData("""{"dns":{"search":"x"}}""", "prevResult.dns.search: \"x\"")]
    [InlineData("""{"ip4":{"gateway":"10.0.0.1"}}""", "prevResult.ip4.ip")]
    public void A_malformed_previous_result_is_code_6(string json, string named)
    {
        var config = Samples.Parse($$"""{"name":"n","prevResult":{{json}}}""");
        var error = Assert.Throws<CniException>(config.ReadPreviousResult);
        Assert.Equal(CniErrorCode.DecodingFailure, error.Code);
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    private static CniResult Read(string json) => CniResult.Read(new ConfigValue(JsonDocument.Parse(json).RootElement));

    private static string Compact(byte[] json) => JsonSerializer.Serialize(JsonDocument.Parse(json).RootElement, Relaxed);
}
