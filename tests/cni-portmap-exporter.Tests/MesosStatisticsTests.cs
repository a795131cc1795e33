using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CniIsolator.Exporter.Formats;
using CniIsolator.Exporter.Sampling;

namespace CniIsolator.Exporter.Tests;

public sealed class MesosStatisticsTests
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    [Fact]
    public void Array() => Golden.Compare("statistics.json", Written(Samples.Sample()).ToJsonString(Indented) + "\n");

    [Fact]
    public void Sockets_and_protocols() => Golden.Compare("inside.json", Written(Samples.Inside()).ToJsonString(Indented) + "\n");

    [Fact]
    public void No_containers_are_an_empty_array() => Assert.Empty(Written(Samples.Of()));

    [Theory]
    [InlineData("K8S_POD_NAME=web;NOMAD_GROUP_NAME=cache", "web")]
    [InlineData("NOMAD_GROUP_NAME=cache", "cache")]
    [InlineData("K8S_POD_NAME=", "c0ffee")]
    public void Name(string args, string expected)
    {
        var pairs = args.Split(';').Select(arg => arg.Split('=')).Select(arg => KeyValuePair.Create(arg[0], arg[1]));
        var attachment = Samples.Attachment() with { Args = new OrderedDictionary<string, string>(pairs) };
        var element = Assert.Single(Written(Samples.Of(new ContainerSample(attachment, default))))!;
        Assert.Equal(expected, (string?)element["executor_name"]);
        Assert.Equal("c0ffee", (string?)element["executor_id"]);
    }

    private static JsonArray Written(Sample sample)
    {
        var body = new ArrayBufferWriter<byte>();
        MesosStatistics.Write(body, sample);
        return JsonNode.Parse(Encoding.UTF8.GetString(body.WrittenSpan))!.AsArray();
    }
}
