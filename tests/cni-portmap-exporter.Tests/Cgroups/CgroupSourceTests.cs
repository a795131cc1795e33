using CniIsolator.Exporter.Cgroups;
using CniIsolator.Exporter.Sampling;

namespace CniIsolator.Exporter.Tests.Cgroups;

public sealed class CgroupSourceTests
{
    [Fact]
    public void The_runtimes_word_is_enough()
    {
        using var tree = CgroupTree.Unified().Cgroup("unified", "/kubepods/pod7", "memory.current=7");
        Assert.Equal(7UL, Usage(tree.Source(), tree.Container("a", "/kubepods/pod7")));
    }

    [Fact]
    public void Where_the_runtimes_word_leads_nowhere_a_process_does()
    {
        using var tree = CgroupTree.Unified().Cgroup("unified", "/real", "memory.current=8").Process(100, "a", "0::/real").Process(101, "b", "0::/other");
        Assert.Equal(8UL, Usage(tree.Source(), tree.Container("a", "/kubepods/pod7")));
        Assert.Equal(8UL, Usage(tree.Source(), tree.Container("a", "/")));
    }

    [Fact]
    public void A_cgroup_that_the_runtime_makes_later_is_found_without_a_scan()
    {
        using var tree = CgroupTree.Unified();
        var source = tree.Source();
        var container = tree.Container("a", "/late");
        Assert.Null(Usage(source, container));
        tree.Cgroup("unified", "/late", "memory.current=9");
        Assert.Equal(9UL, Usage(source, container));
    }

    [Fact]
    public void Each_hierarchy_has_its_own_path()
    {
        using var tree = CgroupTree.Hybrid()
            .Cgroup("cpu", "/c", "cpuacct.stat=user 100\nsystem 200", "cpu.stat=nr_periods 5").Cgroup("memory", "/m", "memory.usage_in_bytes=6")
            .Process(100, "a", "4:memory:/m", "1:cpu,cpuacct:/c", "0::/");
        var resources = Resources(tree.Source(), tree.Container("a"))!;
        Assert.Equal((1.0, 2.0, 5UL, 6UL), (resources.CpuUserSeconds, resources.CpuSystemSeconds, resources.CpuPeriods, resources.MemoryUsage));
    }

    [Fact]
    public void Several_cgroups_are_taken_together_where_they_meet()
    {
        using var tree = CgroupTree.Unified().Cgroup("unified", "/pods/7", "memory.current=70").Cgroup("unified", "/pods/7/pause", "memory.current=1")
            .Process(100, "a", "0::/pods/7/pause").Process(101, "a", "0::/pods/7/app/worker").Process(102, "a", "0::/");
        Assert.Equal(70UL, Usage(tree.Source(), tree.Container("a")));
    }

    [Theory]
    [InlineData("0::/")]
    [InlineData("0::/system.slice/exporter.service")]
    [InlineData("0::/pods/7 (deleted)")]
    [InlineData("")]
    public void A_process_of_no_cgroup_of_its_own_tells_nothing(string line)
    {
        using var tree = CgroupTree.Unified().Cgroup("unified", "/system.slice/exporter.service", "memory.current=1").Process(100, "a", line);
        Assert.Null(Usage(tree.Source(), tree.Container("a")));
    }

    [Fact]
    public void Nor_do_processes_that_meet_in_the_root_or_around_the_exporter()
    {
        using var tree = CgroupTree.Unified().Cgroup("unified", "/system.slice/x", "memory.current=1").Cgroup("unified", "/pods/7", "memory.current=1")
            .Process(100, "a", "0::/system.slice/x").Process(101, "a", "0::/pods/7")
            .Process(102, "b", "0::/system.slice/x").Process(103, "b", "0::/system.slice/y");
        Assert.Null(Usage(tree.Source(), tree.Container("a")));
        Assert.Null(Usage(tree.Source(), tree.Container("b")));
    }

    [Fact]
    public void One_scan_serves_all_and_the_next_comes_ten_seconds_later_at_the_earliest()
    {
        using var tree = CgroupTree.Unified();
        var source = tree.Source();
        List<string> names = ["a", "b", "c"];
        foreach (var (index, name) in names.Index())
        {
            tree.Cgroup("unified", "/" + name, $"memory.current={index}").Process(100 + index, name, "0::/" + name);
        }

        Assert.Equal([0UL, 1UL, 2UL], Usages(source, [.. names.Select(name => tree.Container(name))]));

        // The fourth comes too late for that scan; those that are known need none.
        tree.Cgroup("unified", "/d", "memory.current=3").Process(200, "d", "0::/d");
        names.Add("d");
        tree.Clock.Advance(CgroupSource.ScanDistance - TimeSpan.FromTicks(1));
        Assert.Equal([0UL, 1UL, 2UL, null], Usages(source, [.. names.Select(name => tree.Container(name))]));
        tree.Clock.Advance(TimeSpan.FromTicks(1));
        Assert.Equal([0UL, 1UL, 2UL, 3UL], Usages(source, [.. names.Select(name => tree.Container(name))]));
    }

    [Fact]
    public void Where_a_cgroup_is_outlives_the_process_that_told_it()
    {
        using var tree = CgroupTree.Unified().Cgroup("unified", "/a", "memory.current=4").Process(100, "a", "0::/a");
        var source = tree.Source();
        Assert.Equal(4UL, Usage(source, tree.Container("a")));
        tree.End(100);
        tree.Clock.Advance(CgroupSource.ScanDistance);
        Assert.Equal(4UL, Usage(source, tree.Container("a")));

        // But not the cgroup itself.
        tree.Remove("unified", "/a");
        Assert.Null(Usage(source, tree.Container("a")));
        Assert.Equal(0UL, source.Faults);
    }

    [Fact]
    public void A_pod_that_grows_is_seen_as_a_whole_after_a_while()
    {
        using var tree = CgroupTree.Unified().Cgroup("unified", "/p", "memory.current=90").Cgroup("unified", "/p/pause", "memory.current=1")
            .Process(100, "a", "0::/p/pause");
        var source = tree.Source();
        Assert.Equal(1UL, Usage(source, tree.Container("a")));
        tree.Process(101, "a", "0::/p/app");
        tree.Clock.Advance(CgroupSource.ScanLifetime);
        Assert.Equal(90UL, Usage(source, tree.Container("a")));
    }

    [Fact]
    public void Another_container_by_the_same_name_is_not_the_first_one()
    {
        using var tree = CgroupTree.Unified().Cgroup("unified", "/a", "memory.current=4").Cgroup("unified", "/b", "memory.current=5");
        var source = tree.Source();
        Assert.Equal(4UL, Usage(source, tree.Container("a", "/a")));
        Assert.Equal(5UL, Usage(source, tree.Container("a", "/b")));
        Assert.Null(Usage(source, tree.Container("a")));
    }

    [Fact]
    public void Two_interfaces_of_one_container_both_have_its_resources()
    {
        using var tree = CgroupTree.Unified().Cgroup("unified", "/a", "memory.current=4").Process(100, "a", "0::/a");
        var container = tree.Container("a");
        Assert.Equal([4UL, 4UL], Usages(tree.Source(), container, container with { Attachment = container.Attachment.Of("other") }));
    }

    [Fact]
    public void A_record_that_was_rebuilt_tells_no_namespace()
    {
        using var tree = CgroupTree.Unified().Cgroup("unified", "/a", "memory.current=4").Process(100, "a", "0::/a");
        var container = tree.Container("a");
        Assert.Null(Usage(tree.Source(), container with { Attachment = container.Attachment.In(default) }));
    }

    [Fact]
    public void Without_cgroups_or_procfs_there_is_nothing_and_no_exception()
    {
        using var tree = new CgroupTree().Process(100, "a", "0::/a");
        Assert.Null(Usage(tree.Source(), tree.Container("a", "/a")));
        var container = tree.Container("a");
        Directory.Delete(tree.Proc, recursive: true);
        var source = tree.Source();
        Assert.Null(Usage(source, container));
        Assert.Equal(1UL, source.Faults);
    }

    [Fact]
    public void Hierarchies_that_are_mounted_later_are_found_by_a_scan()
    {
        using var tree = new CgroupTree();
        var source = tree.Source();
        var container = tree.Container("a", "/a");
        Assert.Null(Usage(source, container));
        tree.Mount("unified", "cgroup2", "rw").Cgroup("unified", "/a", "memory.current=4");
        tree.Clock.Advance(CgroupSource.ScanDistance);
        Assert.Equal(4UL, Usage(source, container));
    }

    private static ContainerResources? Resources(CgroupSource source, ContainerSample container)
    {
        List<ContainerSample> containers = [container];
        source.Fill(containers);
        return containers[0].Resources;
    }

    private static ulong? Usage(CgroupSource source, ContainerSample container) => Resources(source, container)?.MemoryUsage;

    private static IEnumerable<ulong?> Usages(CgroupSource source, params ContainerSample[] containers)
    {
        List<ContainerSample> filled = [.. containers];
        source.Fill(filled);
        return filled.Select(container => container.Resources?.MemoryUsage);
    }
}
