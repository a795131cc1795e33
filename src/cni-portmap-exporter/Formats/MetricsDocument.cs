using System.Buffers;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Ipam;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Exporter.Formats;

/// <summary>
/// The metrics. Series of a container have the labels <c>container_id</c> and <c>network</c>; all else that is known of it stands in
/// <c>portmap_container_info</c>, to be joined, so that a counter's series does not end when something else of the container changes.
/// </summary>
internal static class MetricsDocument
{
    public static void Write(IBufferWriter<byte> output, MetricsFormat format, Sample sample, string version)
    {
        var writer = new MetricsWriter(output, format);
        var series = Series.Of(sample.Containers);
        WriteContainers(writer, series);
        WriteCounters(writer, series);
        WriteLimits(writer, series, "egress", "sends", a => a.Limits.Egress);
        WriteLimits(writer, series, "ingress", "receives", a => a.Limits.Ingress);
        QueueMetrics.Write(writer, series);
        PortMetrics.Write(writer, series);
        SocketMetrics.Write(writer, series);
        SnmpMetrics.Write(writer, series);
        ResourceMetrics.Write(writer, series);
        CapacityMetrics.Write(writer, sample.Capacity);
        WriteSelf(writer, sample, version);
        writer.End();
    }

    private static void WriteContainers(MetricsWriter writer, List<Series> series)
    {
        writer.Family("portmap_container", MetricType.Info, null, "A container, its interface and its ports.");
        foreach (var container in series)
        {
            writer.Sample(1L, container.Labels, container.Texts.Info);
        }
    }

    private static void WriteCounters(MetricsWriter writer, List<Series> series)
    {
        // What the host end sends, the container receives.
        Write("receive_bytes", "bytes", "Bytes that the container received.", c => c.SentBytes);
        Write("receive_packets", null, "Packets that the container received.", c => c.SentPackets);
        Write("receive_errors", null, "Packets to the container that were bad.", c => c.SendErrors);
        Write("receive_drops", null, "Packets to the container that its link dropped.", c => c.SendDropped);
        Write("transmit_bytes", "bytes", "Bytes that the container sent.", c => c.ReceivedBytes);
        Write("transmit_packets", null, "Packets that the container sent.", c => c.ReceivedPackets);
        Write("transmit_errors", null, "Packets from the container that were bad.", c => c.ReceiveErrors);
        Write("transmit_drops", null, "Packets from the container that its link dropped.", c => c.ReceiveDropped);

        void Write(string name, string? unit, string help, Func<LinkCounters, ulong> value)
        {
            writer.Family("portmap_network_" + name, MetricType.Counter, unit, help);
            foreach (var container in series)
            {
                writer.Sample(value(container.Container.HostEnd), container.Labels);
            }
        }
    }

    /// <summary>Without a limit there is no sample; without a ceil and a burst above the limit, none of those.</summary>
    private static void WriteLimits(MetricsWriter writer, List<Series> series, string direction, string does, Func<Attachment, RateLimit?> limit)
    {
        const string Rate = "bytes_per_second";
        Write($"limit_{Rate}", Rate, $"Limit of what the container {does}.", l => l.Rate);
        Write($"ceil_{Rate}", Rate, $"Rate above the limit at which bursts of what the container {does} pass.", l => l.Ceil > l.Rate ? l.Ceil : null);
        Write("burst_bytes", "bytes", $"Size of bursts of what the container {does}.", l => l.Ceil > l.Rate ? l.Burst : null);

        void Write(string name, string unit, string help, Func<RateLimit, long?> value)
        {
            writer.Family($"portmap_{direction}_{name}", MetricType.Gauge, unit, help);
            foreach (var container in series)
            {
                if (limit(container.Attachment) is { } set && value(set) is { } number)
                {
                    writer.Sample(number, container.Labels);
                }
            }
        }
    }

    private static void WriteSelf(MetricsWriter writer, Sample sample, string version)
    {
        writer.Family("portmap_build", MetricType.Info, null, "The exporter's version.");
        writer.Sample(1L, ("version", version));
        if (sample.UnreadableRecords is { } unreadable)
        {
            writer.Family("portmap_unreadable_records", MetricType.Gauge, null, "Records in the store that cannot be read; their containers are missing here.");
            writer.Sample((long)unreadable);
        }

        writer.Family("portmap_scrape_duration_seconds", MetricType.Gauge, "seconds", "Time that reading the store and the kernel's counters took.");
        writer.Sample(sample.Duration.TotalSeconds);
        writer.Family("portmap_scrape_errors", MetricType.Counter, null, "Times that a source could not be read.");
        foreach (var source in FaultLog.Sources)
        {
            writer.Sample(sample.Faults[(int)source], ("source", FaultLog.Name(source)));
        }
    }
}
