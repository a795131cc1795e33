using System.Text.Json;
using CniIsolator.Exporter.Snmp;

namespace CniIsolator.Exporter.Formats;

/// <summary>What a Mesos agent tells of protocols: <c>SNMPStatistics</c> of its mesos.proto, with the kernel's names.</summary>
internal static class SnmpStatistics
{
    public static void Write(Utf8JsonWriter writer, SnmpSample? snmp)
    {
        if (snmp is null)
        {
            return;
        }

        writer.WriteStartObject("net_snmp_statistics");
        Write(writer, "ip_stats", SnmpTable.Ip, snmp);
        Write(writer, "icmp_stats", SnmpTable.Icmp, snmp);
        Write(writer, "tcp_stats", SnmpTable.Tcp, snmp);
        Write(writer, "udp_stats", SnmpTable.Udp, snmp);
        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, string name, SnmpTable table, SnmpSample snmp)
    {
        var begun = false;
        for (var i = 0; i < table.Fields.Length; i++)
        {
            if (snmp[table.First + i] is not { } value)
            {
                continue;
            }

            if (!begun)
            {
                writer.WriteStartObject(name);
                begun = true;
            }

            writer.WriteNumber(table.Fields[i], value);
        }

        if (begun)
        {
            writer.WriteEndObject();
        }
    }
}
