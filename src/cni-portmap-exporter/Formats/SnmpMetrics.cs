using System.Text;
using CniIsolator.Exporter.Snmp;

namespace CniIsolator.Exporter.Formats;

/// <summary>The metrics of containers' protocols, a family for each field of the kernel's tables.</summary>
internal static class SnmpMetrics
{
    public static void Write(MetricsWriter writer, List<Series> series)
    {
        if (!series.Exists(container => container.Container.Snmp is not null))
        {
            return;
        }

        foreach (var table in SnmpTable.All)
        {
            for (var i = 0; i < table.Fields.Length; i++)
            {
                Write(writer, series, table, i);
            }
        }
    }

    /// <summary>A name of a field as metrics write it: <c>DefaultTTL</c> is <c>default_ttl</c>.</summary>
    internal static string SnakeCase(string field)
    {
        var name = new StringBuilder();
        for (var i = 0; i < field.Length; i++)
        {
            // A run of capitals is a word, with the small letter of its plural: TTL, OKs.
            if (i > 0 && char.IsAsciiLetterUpper(field[i]) && char.IsAsciiLetterLower(field[i - 1]))
            {
                name.Append('_');
            }

            name.Append(char.ToLowerInvariant(field[i]));
        }

        return name.ToString();
    }

    private static void Write(MetricsWriter writer, List<Series> series, SnmpTable table, int index)
    {
        var field = table.Fields[index];
        writer.Family(
            $"portmap_snmp_{table.Name.ToLowerInvariant()}_{SnakeCase(field)}",
            IsGauge(field) ? MetricType.Gauge : MetricType.Counter,
            null,
            $"{field} of {table.Name} in the container's /proc/net/snmp{Unit(field)}.");
        foreach (var container in series)
        {
            if (container.Container.Snmp?[table.First + index] is { } value)
            {
                writer.Sample(value, container.Labels);
            }
        }
    }

    private static bool IsGauge(string field) =>
        field is "Forwarding" or "DefaultTTL" or "ReasmTimeout" or "RtoAlgorithm" or "RtoMin" or "RtoMax" or "MaxConn" or "CurrEstab";

    private static string Unit(string field) => field switch
    {
        "RtoMin" or "RtoMax" => ", in milliseconds",
        "ReasmTimeout" => ", in seconds",
        "Forwarding" => ": 1 if it forwards, 2 if not",
        "MaxConn" => ": -1 is no limit",
        _ => "",
    };
}
