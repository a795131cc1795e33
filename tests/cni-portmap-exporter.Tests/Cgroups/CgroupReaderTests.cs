using CniIsolator.Exporter.Cgroups;
using CniIsolator.Exporter.Sampling;

namespace CniIsolator.Exporter.Tests.Cgroups;

public sealed class CgroupReaderTests
{
    private static readonly string[] UnifiedFiles =
    [
        "cpu.stat=usage_usec 31\nuser_usec 1500000\nsystem_usec 250001\nnice_usec 0\ncore_sched.force_idle_usec 0\nnr_periods 7\nnr_throttled 3\nthrottled_usec 8036840845\nnr_bursts 0",
        "cpu.max=35000 100000",
        "memory.current=9945088",
        "memory.max=167772160",
        "memory.stat=anon 8388608\nfile 16384\nkernel 65536\nfile_mapped 8192\nfile_dirty 1\nunevictable 4096\nanon_thp 2097152",
        "memory.swap.current=12288",
        "memory.swap.max=4096",
    ];

    private static readonly ContainerResources UnifiedResources = new()
    {
        CpuLimit = 0.35,
        CpuUserSeconds = 1.5,
        CpuSystemSeconds = 0.250001,
        CpuPeriods = 7,
        CpuThrottledPeriods = 3,
        CpuThrottledSeconds = 8036.840845,
        MemoryLimit = 167772160,
        MemoryUsage = 9945088,
        Anonymous = 8388608,
        File = 16384,
        MappedFile = 8192,
        Unevictable = 4096,
        Swap = 12288,
        MemoryAndSwap = 9957376,
        MemoryAndSwapLimit = 167776256,
    };

    private static readonly string[] LegacyCpuFiles =
    [
        "cpu.cfs_quota_us=110000", "cpu.cfs_period_us=100000", "cpu.stat=nr_periods 16314\nnr_throttled 16313\nthrottled_time 8036840845388\nwait_sum 5",
        "cpuacct.stat=user 12349\nsystem 266706",
    ];

    private static readonly string[] LegacyMemoryFiles =
    [
        "memory.usage_in_bytes=9945088", "memory.limit_in_bytes=167772160", "memory.soft_limit_in_bytes=33554432",
        "memory.stat=cache 1\nrss 2\nmapped_file 3\nswap 4\nhierarchical_memory_limit 167772160\n"
        + "total_cache 16384\ntotal_rss 8388608\ntotal_rss_huge 0\ntotal_mapped_file 8192\ntotal_swap 12288\ntotal_unevictable 4096",
        "memory.memsw.usage_in_bytes=9957376", "memory.memsw.limit_in_bytes=335544320",
    ];

    private static readonly ContainerResources LegacyResources = new()
    {
        CpuLimit = 1.1,
        CpuUserSeconds = 123.49,
        CpuSystemSeconds = 2667.06,
        CpuPeriods = 16314,
        CpuThrottledPeriods = 16313,
        CpuThrottledSeconds = 8036.840845388,
        MemoryLimit = 167772160,
        MemorySoftLimit = 33554432,
        MemoryUsage = 9945088,
        Anonymous = 8388608,
        File = 16384,
        MappedFile = 8192,
        Unevictable = 4096,
        Swap = 12288,
        MemoryAndSwap = 9957376,
        MemoryAndSwapLimit = 335544320,
    };

    [Fact]
    public void All_files_of_the_unified_hierarchy()
    {
        using var tree = CgroupTree.Unified().Cgroup("unified", "/a", UnifiedFiles);
        Assert.Equal(UnifiedResources, Read(tree));
    }

    [Fact]
    public void All_files_of_the_older_hierarchies()
    {
        using var tree = CgroupTree.Legacy().Cgroup("cpu", "/a", LegacyCpuFiles).Cgroup("memory", "/a", LegacyMemoryFiles);
        Assert.Equal(LegacyResources, Read(tree));
    }

    [Fact]
    public void Where_both_are_mounted_a_controller_is_read_where_it_is()
    {
        // All controllers are v1's; the unified hierarchy counts CPU time without any.
        using var tree = CgroupTree.Hybrid().Cgroup("cpu", "/a", LegacyCpuFiles).Cgroup("memory", "/a", LegacyMemoryFiles)
            .Cgroup("unified", "/a", "cpu.stat=usage_usec 5\nuser_usec 2\nsystem_usec 3");
        Assert.Equal(LegacyResources, Read(tree));

        // The memory controller alone is v1's.
        using var mixed = new CgroupTree().Mount("memory", "cgroup", "rw,memory").Mount("unified", "cgroup2", "rw").Cgroup("memory", "/a", LegacyMemoryFiles)
            .Cgroup("unified", "/a", UnifiedFiles);
        var resources = Read(mixed)!;
        Assert.Equal((UnifiedResources.CpuUserSeconds, UnifiedResources.CpuLimit), (resources.CpuUserSeconds, resources.CpuLimit));
        Assert.Equal((LegacyResources.MemorySoftLimit, LegacyResources.MemoryAndSwapLimit), (resources.MemorySoftLimit, resources.MemoryAndSwapLimit));
    }

    [Fact]
    public void Without_limits_and_controllers_there_are_none()
    {
        using var tree = CgroupTree.Unified().Cgroup("unified", "/a", UnifiedFiles)
            .Cgroup("unified", "/a", "cpu.max=max 100000", "memory.max=max", "memory.swap.max=max");
        Assert.Equal(UnifiedResources with { CpuLimit = null, MemoryLimit = null, MemoryAndSwapLimit = null }, Read(tree));

        using var bare = CgroupTree.Unified().Cgroup("unified", "/a", "cpu.stat=usage_usec 5\nuser_usec 2000000\nsystem_usec 0");
        Assert.Equal(new ContainerResources { CpuUserSeconds = 2, CpuSystemSeconds = 0 }, Read(bare));

        using var legacy = CgroupTree.Legacy()
            .Cgroup("cpu", "/a", "cpu.cfs_quota_us=-1", "cpu.cfs_period_us=100000")
            .Cgroup("memory", "/a", "memory.usage_in_bytes=0", "memory.limit_in_bytes=9223372036854771712", "memory.soft_limit_in_bytes=9223372036854710272");
        Assert.Equal(new ContainerResources { MemoryUsage = 0 }, Read(legacy));
    }

    [Fact]
    public void Swap_without_a_limit_of_its_own_has_none_together()
    {
        using var tree = CgroupTree.Unified().Cgroup("unified", "/a", UnifiedFiles).Cgroup("unified", "/a", "memory.swap.max=18446744073709551615");
        Assert.Null(Read(tree)!.MemoryAndSwapLimit);
        tree.Cgroup("unified", "/a", "memory.swap.current=18446744073709551615");
        Assert.Null(Read(tree)!.MemoryAndSwap);
        File.Delete(tree.Directories("/a")[CgroupHierarchy.Unified] + "/memory.swap.current");
        Assert.Equal((null, null, null), (Read(tree)!.Swap, Read(tree)!.MemoryAndSwap, Read(tree)!.MemoryAndSwapLimit));
    }

    [Fact]
    public void No_cgroup_is_no_answer_and_no_fault()
    {
        using var tree = CgroupTree.Hybrid();
        var reader = new CgroupReader();
        Assert.Null(reader.Read(tree.Directories("/a")));
        Assert.False(reader.Failed);
    }

    [Fact]
    public void A_file_that_cannot_be_read_is_a_fault_and_the_rest_is_told()
    {
        // Reading a directory fails with EISDIR, for root too.
        using var tree = CgroupTree.Unified().Cgroup("unified", "/a", UnifiedFiles).Cgroup("unified", "/a/memory.peak");
        var file = tree.Directories("/a")[CgroupHierarchy.Unified] + "/cpu.max";
        File.Delete(file);
        Directory.CreateDirectory(file);
        var reader = new CgroupReader();
        Assert.Equal(UnifiedResources with { CpuLimit = null }, reader.Read(tree.Directories("/a")));
        Assert.True(reader.Failed);
    }

    private static ContainerResources? Read(CgroupTree tree) => new CgroupReader().Read(tree.Directories("/a"));
}
