using CniIsolator.Exporter.Sampling;

namespace CniIsolator.Exporter.Formats;

/// <summary>Metrics of what is left to be given out, for schedulers and for those who are woken when it runs out.</summary>
internal static class CapacityMetrics
{
    public static void Write(MetricsWriter writer, Capacity? capacity)
    {
        if (capacity is null)
        {
            return;
        }

        if (capacity.EphemeralPorts is { } ports)
        {
            writer.Family("portmap_ephemeral_ports_capacity", MetricType.Gauge, null, "Ports in the pools of ephemeral ports of all networks.");
            writer.Sample((long)ports);
        }

        writer.Family("portmap_ephemeral_ports_in_use", MetricType.Gauge, null, "Ephemeral ports that containers hold.");
        writer.Sample((long)capacity.EphemeralPortsInUse);

        Write("slices", "Slices of the network's usual size that its pool has; networks may share a pool.", n => n.Slices.Total);
        Write("slices_free", "Slices of the network's usual size that are free.", n => n.Slices.Free);
        Write("largest_free_slice_ports", "Ports in the largest slice that could be given out.", n => n.Slices.LargestFree);
        Write("placeable_containers", "Containers with a slice of the usual size that there is room for.", n => n.Placeable);
        Write("ports_capacity", "Ports in the ranges that fixed ports are given from.", n => n.Ports);
        Write("ports_in_use", "Ports of these ranges that containers own.", n => n.PortsInUse);

        void Write(string name, string help, Func<NetworkCapacity, long> value)
        {
            writer.Family("portmap_" + name, MetricType.Gauge, null, help);
            foreach (var network in capacity.Networks)
            {
                writer.Sample(value(network), ("network", network.Network));
            }
        }
    }
}
