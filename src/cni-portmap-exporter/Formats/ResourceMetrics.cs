using CniIsolator.Exporter.Sampling;

namespace CniIsolator.Exporter.Formats;

/// <summary>CPU and memory of containers, as their cgroups tell. What is not known has no sample.</summary>
internal static class ResourceMetrics
{
    public static void Write(MetricsWriter writer, List<Series> series)
    {
        Write(writer, series, "cpu_user_seconds", MetricType.Counter, "seconds", "CPU time of the container in user mode.", r => r.CpuUserSeconds);
        Write(writer, series, "cpu_system_seconds", MetricType.Counter, "seconds", "CPU time of the container in the kernel.", r => r.CpuSystemSeconds);
        Write(writer, series, "cpu_periods", MetricType.Counter, null, "Periods of the CPU quota that passed while the container ran.", r => r.CpuPeriods);
        Write(writer, series, "cpu_throttled_periods", MetricType.Counter, null, "Periods in which the container used its CPU quota up.", r => r.CpuThrottledPeriods);
        Write(
            writer, series, "cpu_throttled_seconds", MetricType.Counter, "seconds", "Time that the container waited for CPU quota, summed over CPUs.", r => r.CpuThrottledSeconds);
        Write(writer, series, "cpu_limit_cores", MetricType.Gauge, "cores", "CPUs that the container may use by its quota.", r => r.CpuLimit);
        WriteBytes(writer, series, "memory_limit", "Memory that the container may use.", r => r.MemoryLimit);
        WriteBytes(writer, series, "memory_usage", "Memory in use by the container: anonymous, page cache and kernel's.", r => r.MemoryUsage);
        WriteBytes(writer, series, "memory_anonymous", "Anonymous memory of the container.", r => r.Anonymous);
        WriteBytes(writer, series, "memory_file", "Page cache of the container, tmpfs and shared memory included.", r => r.File);
        WriteBytes(writer, series, "memory_mapped_file", "Page cache that the container has mapped.", r => r.MappedFile);
        WriteBytes(writer, series, "memory_swap", "Memory of the container that is swapped out.", r => r.Swap);
        WriteBytes(writer, series, "memory_and_swap_limit", "Memory and swap together that the container may use.", r => r.MemoryAndSwapLimit);
    }

    private static void WriteBytes(MetricsWriter writer, List<Series> series, string name, string help, Func<ContainerResources, ulong?> value) =>
        Write(writer, series, name + "_bytes", MetricType.Gauge, "bytes", help, value);

    private static void Write<T>(
        MetricsWriter writer, List<Series> series, string name, MetricType type, string? unit, string help, Func<ContainerResources, T?> value)
        where T : struct, IUtf8SpanFormattable
    {
        writer.Family("portmap_" + name, type, unit, help);
        foreach (var container in series)
        {
            if (container.Container.Resources is { } resources && value(resources) is { } number)
            {
                writer.Sample(number, container.Labels);
            }
        }
    }
}
