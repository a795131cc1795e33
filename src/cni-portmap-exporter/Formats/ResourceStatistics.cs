using System.Text.Json;
using CniIsolator.Exporter.Sampling;

namespace CniIsolator.Exporter.Formats;

/// <summary>
/// CPU and memory by the names of <c>ResourceStatistics</c> in Mesos' mesos.proto, each with the meaning that the agent's isolators give it. Mesos has two names for
/// anonymous memory and for the page cache. It has none for a limit of memory and swap together.
/// </summary>
internal static class ResourceStatistics
{
    public static void Write(Utf8JsonWriter writer, ContainerResources? resources)
    {
        if (resources is null)
        {
            return;
        }

        Write(writer, "cpus_limit", resources.CpuLimit);
        Write(writer, "cpus_user_time_secs", resources.CpuUserSeconds);
        Write(writer, "cpus_system_time_secs", resources.CpuSystemSeconds);
        Write(writer, "cpus_nr_periods", resources.CpuPeriods);
        Write(writer, "cpus_nr_throttled", resources.CpuThrottledPeriods);
        Write(writer, "cpus_throttled_time_secs", resources.CpuThrottledSeconds);
        Write(writer, "mem_limit_bytes", resources.MemoryLimit);
        Write(writer, "mem_soft_limit_bytes", resources.MemorySoftLimit);
        Write(writer, "mem_total_bytes", resources.MemoryUsage);
        Write(writer, "mem_rss_bytes", resources.Anonymous);
        Write(writer, "mem_anon_bytes", resources.Anonymous);
        Write(writer, "mem_cache_bytes", resources.File);
        Write(writer, "mem_file_bytes", resources.File);
        Write(writer, "mem_mapped_file_bytes", resources.MappedFile);
        Write(writer, "mem_unevictable_bytes", resources.Unevictable);
        Write(writer, "mem_swap_bytes", resources.Swap);
        Write(writer, "mem_total_memsw_bytes", resources.MemoryAndSwap);
    }

    private static void Write(Utf8JsonWriter writer, string name, ulong? value)
    {
        if (value is { } number)
        {
            writer.WriteNumber(name, number);
        }
    }

    private static void Write(Utf8JsonWriter writer, string name, double? value)
    {
        if (value is { } number)
        {
            writer.WriteNumber(name, number);
        }
    }
}
