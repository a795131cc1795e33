using CniIsolator.Exporter.Sampling;

namespace CniIsolator.Exporter.Formats;

/// <summary>The metrics of containers' sockets.</summary>
internal static class SocketMetrics
{
    private const double MicrosecondsPerSecond = 1e6;

    public static void Write(MetricsWriter writer, List<ContainerSample> containers)
    {
        WriteConnections(writer, containers);
        Write(
            "portmap_tcp_retransmitted_segments",
            MetricType.Counter,
            "TCP segments that the container sent again.",
            (_, sockets) => sockets.RetransmittedSegments);
        Write(
            "portmap_container_ephemeral_ports",
            MetricType.Gauge,
            "Ephemeral ports that the container has.",
            (container, sockets) => sockets.EphemeralPortsInUse is null ? null : container.Attachment.Slice.Count);
        Write(
            "portmap_container_ephemeral_ports_in_use",
            MetricType.Gauge,
            "Ephemeral ports of the container that a TCP or UDP socket of it has, listening, connected or waiting for its end.",
            (_, sockets) => sockets.EphemeralPortsInUse);
        Write(
            "portmap_unowned_sockets",
            MetricType.Gauge,
            "Ports that the container listens on and does not own, where nothing ever arrives.",
            (_, sockets) => sockets.UnownedPorts?.Count);

        void Write(string name, MetricType type, string help, Func<ContainerSample, SocketSample, long?> value)
        {
            writer.Family(name, type, null, help);
            foreach (var container in containers)
            {
                if (container.Sockets is { } sockets && value(container, sockets) is { } number)
                {
                    writer.Sample(number, MetricsDocument.Labels(container.Attachment));
                }
            }
        }
    }

    private static void WriteConnections(MetricsWriter writer, List<ContainerSample> containers)
    {
        writer.Family("portmap_tcp_sockets", MetricType.Gauge, null, "TCP sockets over IPv4: in use, listeners among them, and those that only wait for their end.");
        foreach (var container in containers)
        {
            if (container.Sockets?.ActiveConnections is { } active)
            {
                writer.Sample(active, [.. MetricsDocument.Labels(container.Attachment), ("state", "active")]);
            }

            if (container.Sockets?.TimeWaitConnections is { } waiting)
            {
                writer.Sample(waiting, [.. MetricsDocument.Labels(container.Attachment), ("state", "time_wait")]);
            }
        }

        writer.Family("portmap_tcp_rtt_seconds", MetricType.Summary, "seconds", "Smoothed round-trip times of the container's TCP connections.");
        foreach (var container in containers)
        {
            if (container.Sockets?.RoundTrips is { } times)
            {
                Quantile("0.5", times.P50);
                Quantile("0.9", times.P90);
                Quantile("0.95", times.P95);
                Quantile("0.99", times.P99);
            }

            void Quantile(string quantile, double microseconds) =>
                writer.Sample(microseconds / MicrosecondsPerSecond, [.. MetricsDocument.Labels(container.Attachment), ("quantile", quantile)]);
        }
    }
}
