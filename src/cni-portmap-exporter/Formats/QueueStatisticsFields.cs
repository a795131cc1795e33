using System.Text.Json;
using CniIsolator.Exporter.Sampling;

namespace CniIsolator.Exporter.Formats;

/// <summary>The counters of queues, by the names that they have in <c>TrafficControlStatistics</c> of Mesos' mesos.proto.</summary>
internal static class QueueStatisticsFields
{
    public static void Write(Utf8JsonWriter writer, IReadOnlyList<QueueSample> queues)
    {
        if (queues.Count == 0)
        {
            return;
        }

        writer.WriteStartArray("net_traffic_control_statistics");
        foreach (var queue in queues)
        {
            writer.WriteStartObject();
            writer.WriteString("id", queue.Id);
            writer.WriteNumber("backlog", queue.Counters.Backlog);
            writer.WriteNumber("bytes", queue.Counters.Bytes);
            writer.WriteNumber("drops", queue.Counters.Drops);
            writer.WriteNumber("overlimits", queue.Counters.Overlimits);
            writer.WriteNumber("packets", queue.Counters.Packets);
            writer.WriteNumber("qlen", queue.Counters.QueueLength);

            // The kernel estimates rates only where it is told to, which nobody does: Mesos' agents show 0, too.
            writer.WriteNumber("ratebps", 0);
            writer.WriteNumber("ratepps", 0);
            writer.WriteNumber("requeues", queue.Counters.Requeues);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }
}
