using CniIsolator.Exporter.Sampling;

namespace CniIsolator.Exporter.Formats;

/// <summary>The metrics of containers' sockets.</summary>
internal static class SocketMetrics
{
    private const double MicrosecondsPerSecond = 1e6;

    private static readonly byte[] Active = MetricsWriter.Encode(("state", "active"));
    private static readonly byte[] TimeWait = MetricsWriter.Encode(("state", "time_wait"));
    private static readonly byte[] P50 = MetricsWriter.Encode(("quantile", "0.5"));
    private static readonly byte[] P90 = MetricsWriter.Encode(("quantile", "0.9"));
    private static readonly byte[] P95 = MetricsWriter.Encode(("quantile", "0.95"));
    private static readonly byte[] P99 = MetricsWriter.Encode(("quantile", "0.99"));

    public static void Write(MetricsWriter writer, List<Series> series)
    {
        WriteConnections(writer, series);
        Write(
            "portmap_tcp_retransmitted_segments",
            MetricType.Counter,
            "TCP segments that the container sent again.",
            (_, sockets) => sockets.RetransmittedSegments);
        Write(
            "portmap_container_ephemeral_ports",
            MetricType.Gauge,
            "Ephemeral ports that the container has.",
            (container, sockets) => sockets.EphemeralPortsInUse is null ? null : container.Attachment.Ports.Slice.Count);
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
            foreach (var container in series)
            {
                if (container.Container.Sockets is { } sockets && value(container.Container, sockets) is { } number)
                {
                    writer.Sample(number, container.Labels);
                }
            }
        }
    }

    private static void WriteConnections(MetricsWriter writer, List<Series> series)
    {
        writer.Family("portmap_tcp_sockets", MetricType.Gauge, null, "TCP sockets over IPv4: in use, listeners among them, and those that only wait for their end.");
        foreach (var container in series)
        {
            if (container.Container.Sockets?.ActiveConnections is { } active)
            {
                writer.Sample(active, container.Labels, Active);
            }

            if (container.Container.Sockets?.TimeWaitConnections is { } waiting)
            {
                writer.Sample(waiting, container.Labels, TimeWait);
            }
        }

        writer.Family("portmap_tcp_rtt_seconds", MetricType.Summary, "seconds", "Smoothed round-trip times of the container's TCP connections.");
        foreach (var container in series)
        {
            if (container.Container.Sockets?.RoundTrips is { } times)
            {
                Quantile(P50, times.P50);
                Quantile(P90, times.P90);
                Quantile(P95, times.P95);
                Quantile(P99, times.P99);
            }

            void Quantile(byte[] quantile, double microseconds) =>
                writer.Sample(microseconds / MicrosecondsPerSecond, container.Labels, quantile);
        }
    }
}
