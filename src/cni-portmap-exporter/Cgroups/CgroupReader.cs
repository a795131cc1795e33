using CniIsolator.Exporter.Sampling;
using CniIsolator.Linux;

namespace CniIsolator.Exporter.Cgroups;

/// <summary>
/// Reads the files of a cgroup, v1 and v2 (Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst; scheduler/sched-bwc.rst). A controller that has a v1
/// hierarchy is read there, and what that does not tell, in the unified one. One buffer serves all files: not for several threads.
/// </summary>
internal sealed class CgroupReader
{
    private const int LongestFile = 64 * 1024;

    /// <summary>What an unlimited v1 cgroup has: LONG_MAX, rounded down to a page of at most 64 KiB.</summary>
    private const ulong Unlimited = 0x7fff_ffff_ffff_0000;

    private const double MicrosecondsPerSecond = 1e6;
    private const double NanosecondsPerSecond = 1e9;
    private const double TicksPerSecond = 100; // USER_HZ, on all architectures that .NET knows

    private readonly byte[] _buffer = new byte[LongestFile];
    private ContainerResources _found = new();

    /// <summary>Whether a file was there in the last cgroup and could not be read.</summary>
    public bool Failed { get; private set; }

    /// <summary>What the directories tell, or null if none of them is there.</summary>
    public ContainerResources? Read(CgroupPaths directories)
    {
        Failed = false;
        _found = new ContainerResources();

        // The unified one last: it fills in what the others leave open.
        var any = Read(directories, CgroupHierarchy.Cpu);
        any |= Read(directories, CgroupHierarchy.CpuAccounting);
        any |= Read(directories, CgroupHierarchy.Memory);
        any |= Read(directories, CgroupHierarchy.Unified);
        return any ? _found : null;
    }

    private bool Read(CgroupPaths directories, CgroupHierarchy hierarchy)
    {
        if (directories[hierarchy] is not { } path)
        {
            return false;
        }

        var outcome = KernelDirectory.Open(path, out var directory);
        Failed |= outcome == ReadOutcome.Failed;
        if (outcome != ReadOutcome.Read)
        {
            return false;
        }

        using (directory)
        {
            switch (hierarchy)
            {
                case CgroupHierarchy.Cpu:
                    ReadQuota(directory);
                    break;
                case CgroupHierarchy.CpuAccounting:
                    ReadAccounting(directory);
                    break;
                case CgroupHierarchy.Memory:
                    ReadMemory(directory);
                    break;
                default:
                    ReadUnified(directory);
                    break;
            }
        }

        return true;
    }

    private ReadOnlySpan<byte> Text(KernelDirectory directory, ReadOnlySpan<byte> name)
    {
        Failed |= directory.Read(name, _buffer, out var content) == ReadOutcome.Failed;
        return content;
    }

    private ulong? Number(KernelDirectory directory, ReadOnlySpan<byte> name) => CgroupText.Number(Text(directory, name));

    private ulong? Limit(KernelDirectory directory, ReadOnlySpan<byte> name) => Number(directory, name) is { } limit and < Unlimited ? limit : null;

    private void ReadUnified(KernelDirectory cgroup)
    {
        // Where v1 has told one of a group, it has told the group.
        if (_found.CpuUserSeconds is null || _found.CpuPeriods is null)
        {
            ReadUnifiedCpu(cgroup);
        }

        if (_found.MemoryUsage is null)
        {
            ReadUnifiedMemory(cgroup);
        }
    }

    private void ReadUnifiedCpu(KernelDirectory cgroup)
    {
        var text = Text(cgroup, "cpu.stat"u8);
        while (CgroupText.TryReadLine(ref text, out var key, out var value))
        {
            if (key.SequenceEqual("user_usec"u8))
            {
                _found.CpuUserSeconds ??= value / MicrosecondsPerSecond;
            }
            else if (key.SequenceEqual("system_usec"u8))
            {
                _found.CpuSystemSeconds ??= value / MicrosecondsPerSecond;
            }
            else
            {
                TakePeriods(key, value, "throttled_usec"u8, MicrosecondsPerSecond);
            }
        }

        _found.CpuLimit ??= CgroupText.Quota(Text(cgroup, "cpu.max"u8));
    }

    private void ReadUnifiedMemory(KernelDirectory cgroup)
    {
        _found.MemoryUsage = Number(cgroup, "memory.current"u8);
        if (_found.MemoryUsage is not { } usage)
        {
            // The controller is not enabled here.
            return;
        }

        _found.MemoryLimit = Limit(cgroup, "memory.max"u8);
        TakeMemory(Text(cgroup, "memory.stat"u8), "anon"u8, "file"u8, "file_mapped"u8, "unevictable"u8, default);
        _found.Swap = Number(cgroup, "memory.swap.current"u8);
        _found.MemoryAndSwap = Sum(usage, _found.Swap);
        if (_found is { Swap: not null, MemoryLimit: not null })
        {
            _found.MemoryAndSwapLimit = Sum(_found.MemoryLimit, Limit(cgroup, "memory.swap.max"u8));
        }
    }

    private void ReadQuota(KernelDirectory cgroup)
    {
        var text = Text(cgroup, "cpu.stat"u8);
        while (CgroupText.TryReadLine(ref text, out var key, out var value))
        {
            TakePeriods(key, value, "throttled_time"u8, NanosecondsPerSecond);
        }

        // Without a limit, -1 is no number.
        _found.CpuLimit = Number(cgroup, "cpu.cfs_quota_us"u8) is { } quota ? CgroupText.Quota(quota, Number(cgroup, "cpu.cfs_period_us"u8)) : null;
    }

    private void ReadAccounting(KernelDirectory cgroup)
    {
        var text = Text(cgroup, "cpuacct.stat"u8);
        while (CgroupText.TryReadLine(ref text, out var key, out var value))
        {
            if (key.SequenceEqual("user"u8))
            {
                _found.CpuUserSeconds = value / TicksPerSecond;
            }
            else if (key.SequenceEqual("system"u8))
            {
                _found.CpuSystemSeconds = value / TicksPerSecond;
            }
        }
    }

    private void ReadMemory(KernelDirectory cgroup)
    {
        _found.MemoryUsage = Number(cgroup, "memory.usage_in_bytes"u8);
        _found.MemoryLimit = Limit(cgroup, "memory.limit_in_bytes"u8);
        _found.MemorySoftLimit = Limit(cgroup, "memory.soft_limit_in_bytes"u8);
        TakeMemory(Text(cgroup, "memory.stat"u8), "total_rss"u8, "total_cache"u8, "total_mapped_file"u8, "total_unevictable"u8, "total_swap"u8);
        _found.MemoryAndSwap = Number(cgroup, "memory.memsw.usage_in_bytes"u8);
        _found.MemoryAndSwapLimit = _found.MemoryAndSwap is null ? null : Limit(cgroup, "memory.memsw.limit_in_bytes"u8);
    }

    private void TakePeriods(ReadOnlySpan<byte> key, ulong value, ReadOnlySpan<byte> throttled, double unitsPerSecond)
    {
        if (key.SequenceEqual("nr_periods"u8))
        {
            _found.CpuPeriods ??= value;
        }
        else if (key.SequenceEqual("nr_throttled"u8))
        {
            _found.CpuThrottledPeriods ??= value;
        }
        else if (key.SequenceEqual(throttled))
        {
            _found.CpuThrottledSeconds ??= value / unitsPerSecond;
        }
    }

    private void TakeMemory(
        ReadOnlySpan<byte> text, ReadOnlySpan<byte> anonymous, ReadOnlySpan<byte> file, ReadOnlySpan<byte> mapped, ReadOnlySpan<byte> unevictable, ReadOnlySpan<byte> swap)
    {
        while (CgroupText.TryReadLine(ref text, out var key, out var value))
        {
            if (key.SequenceEqual(anonymous))
            {
                _found.Anonymous = value;
            }
            else if (key.SequenceEqual(file))
            {
                _found.File = value;
            }
            else if (key.SequenceEqual(mapped))
            {
                _found.MappedFile = value;
            }
            else if (key.SequenceEqual(unevictable))
            {
                _found.Unevictable = value;
            }
            else if (key.SequenceEqual(swap))
            {
                _found.Swap = value;
            }
        }
    }

    private static ulong? Sum(ulong? one, ulong? other) => unchecked(one + other) is { } sum && sum >= one ? sum : null;
}
