using System.Text.Json;
using CniIsolator.Exporter.Sampling;

namespace CniIsolator.Exporter.Formats;

/// <summary>What a Mesos agent tells of sockets; it has no retransmissions, ports in use and unowned ports.</summary>
internal static class SocketStatistics
{
    public static void Write(Utf8JsonWriter writer, SocketSample? sockets)
    {
        Write(writer, "net_tcp_active_connections", sockets?.ActiveConnections);
        Write(writer, "net_tcp_time_wait_connections", sockets?.TimeWaitConnections);
        if (sockets?.RoundTrips is { } times)
        {
            writer.WriteNumber("net_tcp_rtt_microsecs_p50", times.P50);
            writer.WriteNumber("net_tcp_rtt_microsecs_p90", times.P90);
            writer.WriteNumber("net_tcp_rtt_microsecs_p95", times.P95);
            writer.WriteNumber("net_tcp_rtt_microsecs_p99", times.P99);
        }
    }

    private static void Write(Utf8JsonWriter writer, string name, long? count)
    {
        if (count is { } known)
        {
            writer.WriteNumber(name, known);
        }
    }
}
