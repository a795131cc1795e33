using System.Text.Json;
using CniIsolator.Exporter.Rates;

namespace CniIsolator.Exporter.Formats;

/// <summary>Percentiles of rates, by the names that they have in Mesos' statistics.</summary>
internal static class RateStatisticsFields
{
    public static void Write(Utf8JsonWriter writer, RateStatistics? rates)
    {
        if (rates is null)
        {
            return;
        }

        writer.WriteStartObject("net_rate_statistics");
        Write(writer, "rx_rate", rates[Rate.ReceivedBytes]);
        Write(writer, "rx_packet_rate", rates[Rate.ReceivedPackets]);
        Write(writer, "rx_drop_rate", rates[Rate.ReceiveDrops]);
        Write(writer, "rx_error_rate", rates[Rate.ReceiveErrors]);
        Write(writer, "tx_rate", rates[Rate.SentBytes]);
        Write(writer, "tx_packet_rate", rates[Rate.SentPackets]);
        Write(writer, "tx_drop_rate", rates[Rate.SendDrops]);
        Write(writer, "tx_error_rate", rates[Rate.SendErrors]);
        writer.WriteNumber("sampling_window_secs", rates.Settings.Window.TotalSeconds);
        writer.WriteNumber("sampling_interval_secs", rates.Settings.Interval.TotalSeconds);
        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, string name, Percentiles? percentiles)
    {
        if (percentiles is null)
        {
            return;
        }

        writer.WriteStartObject(name);
        writer.WriteNumber("min", percentiles.Min);
        writer.WriteNumber("max", percentiles.Max);
        writer.WriteNumber("p50", percentiles.P50);
        writer.WriteNumber("p90", percentiles.P90);
        writer.WriteNumber("p95", percentiles.P95);
        writer.WriteNumber("p99", percentiles.P99);
        writer.WriteNumber("p999", percentiles.P999);
        writer.WriteNumber("p9999", percentiles.P9999);
        writer.WriteNumber("samples", percentiles.Samples);
        writer.WriteEndObject();
    }
}
