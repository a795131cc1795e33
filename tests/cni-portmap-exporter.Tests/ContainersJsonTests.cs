using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CniIsolator.Exporter.Formats;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Ipam;

namespace CniIsolator.Exporter.Tests;

public sealed class ContainersJsonTests
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    [Fact]
    public void Document()
    {
        var sample = Samples.Sample();
        var known = sample.Containers[0] with
        {
            ForeignSourcePackets = 21,
            Queues = [new QueueSample("bw_limit", new(Bytes: 22, Packets: 23, QueueLength: 24, Backlog: 25, Drops: 26, Requeues: 27, Overlimits: 28), null)],
            Sockets = new SocketSample
            {
                ActiveConnections = 31,
                TimeWaitConnections = 32,
                RetransmittedSegments = 33,
                EphemeralPortsInUse = 34,
                UnownedPorts = [new(6, 8080), new(17, 53), new(132, 9)],
                RoundTrips = new RoundTrips(35.5, 36, 37, 38),
            },
            Warnings = ["the <egress> limit is not there"],
        };
        Golden.Compare("containers.json", Written(sample with { Containers = [known, sample.Containers[1]] }).ToJsonString(Indented) + "\n");
    }

    [Fact]
    public void What_is_not_known_is_absent_and_a_fault_is_told()
    {
        var written = Written(Samples.Of() with { Capacity = null, UnreadableRecords = null, Fault = "no store" });
        Assert.Equal("no store", (string?)written["fault"]);
        Assert.Equal(["version", "time", "fault", "containers"], written.Select(property => property.Key));
        Assert.Empty(written["containers"]!.AsArray());
        Assert.Equal(["inUse"], Written(Samples.Of() with { Capacity = new Capacity(null, 16, []) })["pool"]!.AsObject().Select(property => property.Key));
    }

    [Fact]
    public void Of_sockets_only_what_the_kernel_told()
    {
        var some = new ContainerSample(Samples.Attachment(), default) { Sockets = new SocketSample { RetransmittedSegments = 0 } };
        Assert.Equal("""{"retransmittedSegments":0}""", Written(Samples.Of(some))["containers"]![0]!["sockets"]!.ToJsonString());
    }

    [Theory]
    [InlineData(AttachmentState.Creating, "creating")]
    [InlineData(AttachmentState.Ready, "ready")]
    [InlineData(AttachmentState.Deleting, "deleting")]
    public void State(AttachmentState state, string expected) =>
        Assert.Equal(expected, (string?)Written(Samples.Of(new ContainerSample(Samples.Attachment() with { State = state }, default)))["containers"]![0]!["state"]);

    private static JsonObject Written(Sample sample)
    {
        var body = new ArrayBufferWriter<byte>();
        ContainersJson.Write(body, sample, "1.2.3");
        return JsonNode.Parse(Encoding.UTF8.GetString(body.WrittenSpan))!.AsObject();
    }
}
