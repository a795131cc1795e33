using System.Text;
using CniIsolator.Exporter.Cgroups;
using FsCheck;
using FsCheck.Fluent;

namespace CniIsolator.Exporter.Tests.Cgroups;

public sealed class CgroupPathTests
{
    [Theory]
    [InlineData("/kubepods/burstable/pod7/c0ffee", "/kubepods/burstable/pod7/c0ffee")]
    [InlineData("kubepods/pod7/", "/kubepods/pod7")]
    [InlineData("nomad", "/nomad")]
    [InlineData("/docker/a:b:c", "/docker/a:b:c")]
    [InlineData("/kubepods.slice/kubepods-pod7.slice", "/kubepods.slice/kubepods-pod7.slice")]
    [InlineData("kubepods.slice", "/kubepods.slice")]
    [InlineData("kubepods-burstable-pod7.slice", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod7.slice")]
    [InlineData("kubepods-burstable-pod7_1.slice:cri-containerd:c0ffee", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod7_1.slice/cri-containerd-c0ffee.scope")]
    [InlineData("system.slice:docker:c0ffee", "/system.slice/docker-c0ffee.scope")]
    [InlineData(":docker:c0ffee", "/system.slice/docker-c0ffee.scope")]
    [InlineData("machine.slice::c0ffee", "/machine.slice/c0ffee.scope")]
    [InlineData("user.slice/user-0.slice:libpod:c0ffee", "/user.slice/user-0.slice/libpod-c0ffee.scope")]
    [InlineData("a.slice:x:a-b.slice", "/a.slice/a-b.slice")]
    [InlineData("", null)]
    [InlineData("/", null)]
    [InlineData("-.slice", null)]
    [InlineData(".slice", null)]
    [InlineData("a--b.slice", null)]
    [InlineData("-a.slice", null)]
    [InlineData("a-.slice", null)]
    [InlineData("nothing:docker:c0ffee", null)]
    [InlineData("/a/../../etc", null)]
    [InlineData("..", null)]
    [InlineData("..:a:b", null)]
    [InlineData("a\0b", null)]
    public void Notations_of_runtimes(string notation, string? path) => Assert.Equal(path, CgroupNotation.ToPath(notation));

    [Fact]
    public void Whatever_a_record_says_no_path_leaves_the_hierarchy() =>
        Prop.ForAll(
            Gen.Elements("/", "..", ".", ":", "-", ".slice", "a", "\0", "pod7").ArrayOf().Select(string.Concat).ToArbitrary(),
            notation => CgroupNotation.ToPath(notation) is not { } path || (path.StartsWith('/') && path.Length > 1 && !path.Split('/').Contains("..")))
        .QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("/", "/kubepods/pod7", "/sys/fs/cgroup/kubepods/pod7")]
    [InlineData("/kubepods", "/kubepods/pod7", "/sys/fs/cgroup/pod7")]
    [InlineData("/kubepods", "/kubepods2/pod7", null)]
    [InlineData("/../../..", "/kubepods/pod7", "/sys/fs/cgroup/kubepods/pod7")]
    [InlineData("/../../..", "/../../../kubepods/pod7", "/sys/fs/cgroup/kubepods/pod7")]
    [InlineData("/../../..", "/../pod7", null)]
    [InlineData("/../a", "/kubepods/pod7", null)]
    public void A_mount_may_be_a_part_or_lie_above_a_namespace(string root, string path, string? directory)
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, $"34 31 0:30 {root} /sys/fs/cgroup ro,relatime shared:9 - cgroup2 cgroup2 rw\n");
            Assert.Equal(directory, CgroupMounts.Read(file).Locate(CgroupHierarchy.Unified, path));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData("/a/b/c", "/a/b/d", "/a/b")]
    [InlineData("/a/b", "/a/b", "/a/b")]
    [InlineData("/a/b", "/a/b/c", "/a/b")]
    [InlineData("/a/b/c", "/a/b", "/a/b")]
    [InlineData("/a/bc", "/a/bd", "/a")]
    [InlineData("/a/b", "/a/bc", "/a")]
    [InlineData("/a", "/b", "/")]
    [InlineData("/a", "/", "/")]
    [InlineData("/", "/", "/")]
    public void Closest_common_ancestor(string one, string other, string expected)
    {
        Assert.Equal(expected, CgroupMembership.CommonAncestor(one, other));
        Assert.Equal(expected, CgroupMembership.CommonAncestor(other, one));
        Assert.True(CgroupMembership.Contains(expected, one) && CgroupMembership.Contains(expected, other));
    }

    [Fact]
    public void Membership()
    {
        var paths = CgroupMembership.Parse("9:name=systemd:/s\n4:memory:/m:x\n1:cpu,cpuacct:/c\nrubbish\n7:\n8:memory\n0::/u\n"u8);
        Assert.Equal("/u,/c,/c,/m:x", Show(paths));
        Assert.Equal(",,,", Show(CgroupMembership.Parse("4:memory:/m (deleted)\n0::relative\n"u8)));
    }

    [Fact]
    public void Mounts()
    {
        var file = Path.GetTempFileName();
        try
        {
            // A part of a hierarchy first, then all of it; a point with a space; a mount whose optional fields are missing.
            File.WriteAllText(file, """
                31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
                32 31 0:29 /docker/1 /part/memory rw,relatime - cgroup cgroup rw,memory
                33 31 0:30 / /sys/fs/cgroup/cpu,\040cpuacct rw,relatime shared:1 master:2 - cgroup cgroup rw,cpu,cpuacct
                34 31 0:29 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
                35 31 0:29 / /later/memory rw,relatime - cgroup cgroup rw,memory
                36 31 0:31 /kubepods /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
                37 31 - cgroup
                38 31 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
                """);
            var mounts = CgroupMounts.Read(file);
            Assert.Equal("/sys/fs/cgroup/unified/pod7,/sys/fs/cgroup/cpu, cpuacct/kubepods/pod7,/sys/fs/cgroup/cpu, cpuacct/kubepods/pod7,/sys/fs/cgroup/memory/kubepods/pod7", Show(mounts.Locate("/kubepods/pod7")!));
            Assert.Null(mounts.Locate("/"));
            Assert.Null(mounts.Locate(""));
            Assert.Null(mounts.Locate(CgroupHierarchy.Unified, "/kubepods"));
            Assert.Null(mounts.Locate(CgroupHierarchy.Unified, "/kubepods2/a"));
            Assert.Null(mounts.Locate(new CgroupPaths()));
        }
        finally
        {
            File.Delete(file);
        }

        Assert.True(CgroupMounts.Read(file).IsEmpty);
    }

    [Fact]
    public void Whatever_mountinfo_has_nothing_is_thrown()
    {
        var file = Path.GetTempFileName();
        try
        {
            var words = Gen.Elements("36", " ", " - cgroup", " - cgroup2", "/", "\\040", "\\9", "\\", "rw,memory", "cgroup", "\n", "cpu").ArrayOf().Select(string.Concat);
            Prop.ForAll(words.ToArbitrary(), text =>
            {
                File.WriteAllText(file, text);
                CgroupMounts.Read(file).Locate("/a");
                CgroupMembership.Parse(Encoding.UTF8.GetBytes(text));
            }).QuickCheckThrowOnFailure();
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static string Show(CgroupPaths paths) =>
        string.Join(',', Enumerable.Range(0, CgroupPaths.Count).Select(hierarchy => paths[(CgroupHierarchy)hierarchy]));
}
