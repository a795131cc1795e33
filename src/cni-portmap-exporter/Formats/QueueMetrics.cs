using CniIsolator.Exporter.Sampling;

namespace CniIsolator.Exporter.Formats;

/// <summary>Metrics of the queues of limits, and of what filters dropped.</summary>
internal static class QueueMetrics
{
    private static readonly byte[] Egress = MetricsWriter.Encode(("direction", "egress"));
    private static readonly byte[] Ingress = MetricsWriter.Encode(("direction", "ingress"));
    private static readonly Dictionary<string, byte[]> Names = [];

    static QueueMetrics()
    {
        foreach (var id in (string[])
                 [QueueSample.Limit, QueueSample.FairQueue, QueueSample.Ingress + QueueSample.Limit, QueueSample.Ingress + QueueSample.FairQueue])
        {
            Names.Add(id, MetricsWriter.Encode(("qdisc", id)));
        }
    }

    public static void Write(MetricsWriter writer, List<Series> series)
    {
        WriteFilters(writer, series);
        Count("bytes", "bytes", "Bytes that left a queue of a limit.", q => q.Counters.Bytes);
        Count("packets", null, "Packets that left a queue of a limit.", q => q.Counters.Packets);
        Count("drops", null, "Packets that a queue of a limit dropped.", q => q.Counters.Drops);
        Count("overlimits", null, "Times that a packet had to wait for its rate.", q => q.Counters.Overlimits);
        Count("requeues", null, "Packets that the device would not take, and that were put back.", q => q.Counters.Requeues);
        Count("ecn_marks", null, "Packets that were marked (ECN) where they would have been dropped.", q => q.FqCodel?.EcnMarks);
        Now("backlog_bytes", "bytes", "Bytes that wait.", q => q.Counters.Backlog);
        Now("queue_packets", null, "Packets that wait.", q => q.Counters.QueueLength);

        void Count(string name, string? unit, string help, Func<QueueSample, ulong?> value) => Family(name, MetricType.Counter, unit, help, value);

        void Now(string name, string? unit, string help, Func<QueueSample, ulong?> value) => Family(name, MetricType.Gauge, unit, help, value);

        void Family(string name, MetricType type, string? unit, string help, Func<QueueSample, ulong?> value)
        {
            writer.Family("portmap_qdisc_" + name, type, unit, help);
            foreach (var container in series)
            {
                foreach (var queue in container.Container.Queues)
                {
                    if (value(queue) is { } number)
                    {
                        writer.Sample(number, container.Labels, Names[queue.Id]);
                    }
                }
            }
        }
    }

    private static void WriteFilters(MetricsWriter writer, List<Series> series)
    {
        writer.Family(
            "portmap_foreign_source_packets",
            MetricType.Counter,
            null,
            "Packets that the container sent and the host dropped: the source port or address is not the container's, or the protocol has no ports.");
        foreach (var container in series)
        {
            if (container.Container.ForeignSourcePackets is { } dropped)
            {
                writer.Sample(dropped, container.Labels);
            }
        }

        writer.Family("portmap_limit_in_force", MetricType.Gauge, null, "1 where the shaper of a limit is there, 0 where it is missing.");
        foreach (var container in series)
        {
            if (container.Container.EgressInForce is { } egress)
            {
                writer.Sample(egress ? 1L : 0L, container.Labels, Egress);
            }

            if (container.Container.IngressInForce is { } ingress)
            {
                writer.Sample(ingress ? 1L : 0L, container.Labels, Ingress);
            }
        }
    }
}
