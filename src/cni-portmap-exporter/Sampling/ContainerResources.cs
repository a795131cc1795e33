namespace CniIsolator.Exporter.Sampling;

/// <summary>
/// What a container's cgroup tells of CPU and memory at one moment. Whatever is not known is null: a limit that is not set, a controller that is not
/// enabled, a file that this kernel does not have.
/// </summary>
internal sealed record ContainerResources
{
    /// <summary>CPUs that it may use at most, by its own quota; those of cgroups around it are not looked at.</summary>
    public double? CpuLimit { get; set; }

    /// <summary>Seconds of CPU time in user mode since the cgroup was made.</summary>
    public double? CpuUserSeconds { get; set; }

    /// <summary>Seconds of CPU time in the kernel since the cgroup was made.</summary>
    public double? CpuSystemSeconds { get; set; }

    /// <summary>Periods of the quota that have passed while something ran.</summary>
    public ulong? CpuPeriods { get; set; }

    /// <summary>Periods in which the quota was used up.</summary>
    public ulong? CpuThrottledPeriods { get; set; }

    /// <summary>Seconds for which its processes were kept waiting for a new period, summed over CPUs.</summary>
    public double? CpuThrottledSeconds { get; set; }

    /// <summary>Bytes that it may use at most.</summary>
    public ulong? MemoryLimit { get; set; }

    /// <summary>Bytes that it is pushed back to when memory is short; cgroup v1 alone has such a limit.</summary>
    public ulong? MemorySoftLimit { get; set; }

    /// <summary>Bytes in use: anonymous, page cache, and what the kernel keeps for it.</summary>
    public ulong? MemoryUsage { get; set; }

    /// <summary>Bytes that belong to no file.</summary>
    public ulong? Anonymous { get; set; }

    /// <summary>Bytes of the page cache, tmpfs and shared memory among them.</summary>
    public ulong? File { get; set; }

    /// <summary>Those bytes of <see cref="File"/> that are mapped.</summary>
    public ulong? MappedFile { get; set; }

    /// <summary>Bytes that cannot be reclaimed, such as locked ones.</summary>
    public ulong? Unevictable { get; set; }

    /// <summary>Bytes swapped out; null where swap is not accounted.</summary>
    public ulong? Swap { get; set; }

    /// <summary>Bytes in memory and swapped out; null where swap is not accounted.</summary>
    public ulong? MemoryAndSwap { get; set; }

    /// <summary>Bytes of memory and swap together that it may use at most.</summary>
    public ulong? MemoryAndSwapLimit { get; set; }
}
