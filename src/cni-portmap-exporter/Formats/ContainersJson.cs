using System.Buffers;
using System.Text.Json;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Ipam;

namespace CniIsolator.Exporter.Formats;

/// <summary>
/// What the page shows, at <c>/containers.json</c>: the host, and each container with the names that <c>cni-portmap-isolate list --json</c> gives things.
/// Counters are seen from the container; rates are left to the reader, who knows how long ago he asked before. What is not known is absent; a limit of null is none.
/// </summary>
internal static class ContainersJson
{
    public static void Write(IBufferWriter<byte> output, Sample sample, string version)
    {
        using var writer = new Utf8JsonWriter(output);
        writer.WriteStartObject();
        writer.WriteString("version", version);

        // Milliseconds since 1970: what rates are computed with.
        writer.WriteNumber("time", sample.Time.ToUnixTimeMilliseconds());
        if (sample.Fault is { } fault)
        {
            writer.WriteString("fault", fault);
        }

        WriteHost(writer, sample);
        writer.WriteStartArray("containers");
        foreach (var container in sample.Containers)
        {
            WriteContainer(writer, container);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteHost(Utf8JsonWriter writer, Sample sample)
    {
        if (sample.Capacity is { } capacity)
        {
            writer.WriteStartObject("pool");
            if (capacity.EphemeralPorts is { } ports)
            {
                writer.WriteNumber("capacity", ports);
            }

            writer.WriteNumber("inUse", capacity.EphemeralPortsInUse);
            writer.WriteEndObject();
        }

        if (sample.UnreadableRecords is { } unreadable)
        {
            writer.WriteNumber("unreadableRecords", unreadable);
        }
    }

    private static void WriteContainer(Utf8JsonWriter writer, ContainerSample container)
    {
        var attachment = container.Attachment;
        writer.WriteStartObject();
        writer.WriteString("network", attachment.Key.Network);
        writer.WriteString("containerId", attachment.Key.ContainerId);
        writer.WriteString("ifName", attachment.Key.IfName);
        writer.WriteString("name", ContainerNames.Executor(attachment));
        if (ContainerNames.PodNamespace(attachment) is { Length: > 0 } podNamespace)
        {
            writer.WriteString("podNamespace", podNamespace);
        }

        writer.WriteString("hostInterface", attachment.HostInterface);
        writer.WriteString("state", State(attachment.State));
        writer.WriteString("created", attachment.Created);
        WritePorts(writer, attachment);
        WriteCounters(writer, container);
        WriteLimit(writer, "egress", attachment.Limits.Egress);
        WriteLimit(writer, "ingress", attachment.Limits.Ingress);
        if (container.ForeignSourcePackets is { } foreign)
        {
            writer.WriteNumber("foreignSourcePackets", foreign);
        }

        WriteQueues(writer, container.Queues);
        WriteSockets(writer, container.Sockets);
        writer.WriteStartArray("warnings");
        foreach (var warning in container.Warnings)
        {
            writer.WriteStringValue(warning);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static string State(AttachmentState state) => state switch
    {
        AttachmentState.Creating => "creating",
        AttachmentState.Ready => "ready",
        _ => "deleting",
    };

    private static void WritePorts(Utf8JsonWriter writer, Attachment attachment)
    {
        writer.WriteStartObject("ephemeralPorts");
        writer.WriteNumber("begin", attachment.Ports.Slice.Begin);
        writer.WriteNumber("end", attachment.Ports.Slice.End);
        writer.WriteEndObject();
        writer.WriteStartArray("ports");
        foreach (var claim in attachment.Ports.Claims)
        {
            writer.WriteStartObject();
            writer.WriteString("protocol", claim.Protocol.Name());
            writer.WriteNumber("begin", claim.Range.Begin);
            writer.WriteNumber("end", claim.Range.End);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteCounters(Utf8JsonWriter writer, ContainerSample container)
    {
        // What the host end sends, the container receives.
        var host = container.HostEnd;
        writer.WriteStartObject("receive");
        writer.WriteNumber("bytes", host.SentBytes);
        writer.WriteNumber("packets", host.SentPackets);
        writer.WriteNumber("errors", host.SendErrors);
        writer.WriteNumber("drops", host.SendDropped);
        writer.WriteEndObject();
        writer.WriteStartObject("transmit");
        writer.WriteNumber("bytes", host.ReceivedBytes);
        writer.WriteNumber("packets", host.ReceivedPackets);
        writer.WriteNumber("errors", host.ReceiveErrors);
        writer.WriteNumber("drops", host.ReceiveDropped);
        writer.WriteEndObject();
    }

    private static void WriteLimit(Utf8JsonWriter writer, string name, RateLimit? limit)
    {
        if (limit is null)
        {
            writer.WriteNull(name);
            return;
        }

        writer.WriteStartObject(name);
        writer.WriteNumber("rate", limit.Rate);
        writer.WriteNumber("ceil", limit.Ceil);
        writer.WriteNumber("burst", limit.Burst);
        writer.WriteEndObject();
    }

    private static void WriteQueues(Utf8JsonWriter writer, IReadOnlyList<QueueSample> queues)
    {
        writer.WriteStartArray("queues");
        foreach (var queue in queues)
        {
            writer.WriteStartObject();
            writer.WriteString("id", queue.Id);
            writer.WriteNumber("packets", queue.Counters.Packets);
            writer.WriteNumber("drops", queue.Counters.Drops);
            writer.WriteNumber("overlimits", queue.Counters.Overlimits);
            writer.WriteNumber("backlog", queue.Counters.Backlog);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteSockets(Utf8JsonWriter writer, SocketSample? sockets)
    {
        if (sockets is null)
        {
            return;
        }

        writer.WriteStartObject("sockets");
        WriteKnown(writer, "activeConnections", sockets.ActiveConnections);
        WriteKnown(writer, "timeWaitConnections", sockets.TimeWaitConnections);
        WriteKnown(writer, "retransmittedSegments", sockets.RetransmittedSegments);
        WriteKnown(writer, "ephemeralPortsInUse", sockets.EphemeralPortsInUse);
        if (sockets.UnownedPorts is { } unowned)
        {
            writer.WriteStartArray("unownedPorts");
            foreach (var bound in unowned)
            {
                writer.WriteStartObject();
                writer.WriteString("protocol", ((TransportProtocol)bound.Protocol).Name());
                writer.WriteNumber("port", bound.Port);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        if (sockets.RoundTrips is { } trips)
        {
            // Microseconds.
            writer.WriteNumber("roundTripP50", trips.P50);
            writer.WriteNumber("roundTripP99", trips.P99);
        }

        writer.WriteEndObject();
    }

    private static void WriteKnown(Utf8JsonWriter writer, string name, long? value)
    {
        if (value is { } known)
        {
            writer.WriteNumber(name, known);
        }
    }
}
