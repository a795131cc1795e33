using System.Buffers;
using System.Text.Json;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Ipam;

namespace CniIsolator.Exporter.Formats;

/// <summary>
/// The array that a Mesos agent serves at <c>/monitor/statistics</c>: names as in <c>ResourceStatistics</c> of its mesos.proto, seen from the container.
/// </summary>
internal static class MesosStatistics
{
    public static void Write(IBufferWriter<byte> output, Sample sample)
    {
        using var writer = new Utf8JsonWriter(output);
        writer.WriteStartArray();
        foreach (var container in sample.Containers)
        {
            Write(writer, container, sample.Time);
        }

        writer.WriteEndArray();
    }

    private static void Write(Utf8JsonWriter writer, ContainerSample container, DateTimeOffset time)
    {
        var attachment = container.Attachment;
        writer.WriteStartObject();
        writer.WriteString("executor_id", attachment.Key.ContainerId);
        writer.WriteString("executor_name", ContainerNames.Executor(attachment));
        writer.WriteString("framework_id", attachment.Key.Network);
        writer.WriteString("source", attachment.Key.ContainerId);
        writer.WriteStartObject("statistics");

        // Seconds since 1970, to the millisecond.
        writer.WriteNumber("timestamp", time.ToUnixTimeMilliseconds() / 1000m);
        WriteCounters(writer, container);
        ResourceStatistics.Write(writer, container.Resources);
        WriteLimit(writer, "net_rx", attachment.Limits.Ingress);
        WriteLimit(writer, "net_tx", attachment.Limits.Egress);
        SocketStatistics.Write(writer, container.Sockets);
        SnmpStatistics.Write(writer, container.Snmp);
        writer.WriteStartObject("net_ephemeral_ports");
        writer.WriteNumber("begin", attachment.Ports.Slice.Begin);
        writer.WriteNumber("end", attachment.Ports.Slice.End);
        writer.WriteEndObject();
        QueueStatisticsFields.Write(writer, container.Queues);
        RateStatisticsFields.Write(writer, container.Rates);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteCounters(Utf8JsonWriter writer, ContainerSample container)
    {
        // What the host end sends, the container receives.
        var host = container.HostEnd;
        writer.WriteNumber("net_rx_packets", host.SentPackets);
        writer.WriteNumber("net_rx_bytes", host.SentBytes);
        writer.WriteNumber("net_rx_errors", host.SendErrors);
        writer.WriteNumber("net_rx_dropped", host.SendDropped);
        writer.WriteNumber("net_tx_packets", host.ReceivedPackets);
        writer.WriteNumber("net_tx_bytes", host.ReceivedBytes);
        writer.WriteNumber("net_tx_errors", host.ReceiveErrors);
        writer.WriteNumber("net_tx_dropped", host.ReceiveDropped);
    }

    /// <summary>Bytes per second, and bytes. A ceil that is no more than the limit is none, and then the burst means nothing.</summary>
    private static void WriteLimit(Utf8JsonWriter writer, string prefix, RateLimit? limit)
    {
        if (limit is null)
        {
            return;
        }

        writer.WriteNumber(prefix + "_rate_limit", limit.Rate);
        if (limit.Ceil > limit.Rate)
        {
            writer.WriteNumber(prefix + "_burst_rate_limit", limit.Ceil);
            writer.WriteNumber(prefix + "_burst_size", limit.Burst);
        }
    }
}
