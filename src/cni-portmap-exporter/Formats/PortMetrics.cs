using CniIsolator.Exporter.Sampling;
using CniIsolator.Ipam;

namespace CniIsolator.Exporter.Formats;

/// <summary>Metrics of single port ranges.</summary>
internal static class PortMetrics
{
    public static void Write(MetricsWriter writer, List<Series> series)
    {
        Write("bytes", "bytes", "Bytes that came to these ports of the container, without Ethernet headers.", p => p.Bytes);
        Write("packets", null, "Packets that came to these ports of the container.", p => p.Packets);

        void Write(string name, string? unit, string help, Func<PortTraffic, ulong> value)
        {
            writer.Family("portmap_ports_receive_" + name, MetricType.Counter, unit, help);
            foreach (var container in series)
            {
                foreach (var traffic in container.Container.Ports)
                {
                    writer.Sample(value(traffic), container.Labels, MetricsWriter.Encode(("protocol", traffic.Protocol?.Name() ?? "any"), ("ports", traffic.Ports.ToString())));
                }
            }
        }
    }
}
