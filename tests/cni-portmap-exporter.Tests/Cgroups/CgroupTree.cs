using CniIsolator.Exporter.Cgroups;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Linux;

namespace CniIsolator.Exporter.Tests.Cgroups;

/// <summary>A procfs and cgroup hierarchies in a directory of one test, which is removed when the test ends in whatever way.</summary>
public sealed class CgroupTree : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("cgroup-tests-").FullName;
    private readonly List<string> _mounts = ["31 23 0:28 / /elsewhere rw,relatime - tmpfs tmpfs rw,mode=755"];

    public CgroupTree()
    {
        Directory.CreateDirectory(Path.Combine(Proc, "self"));
        Own("0::/system.slice/exporter.service");
    }

    public string Proc => Path.Combine(_path, "proc");

    internal ManualClock Clock { get; } = new();

    public static CgroupTree Unified() => new CgroupTree().Mount("unified", "cgroup2", "rw,nsdelegate");

    public static CgroupTree Legacy() => new CgroupTree().Mount("cpu", "cgroup", "rw,cpu,cpuacct").Mount("memory", "cgroup", "rw,memory");

    public static CgroupTree Hybrid() => Legacy().Mount("unified", "cgroup2", "rw");

    public CgroupTree Mount(string name, string type, string options, string root = "/")
    {
        var point = Path.Combine(_path, name);
        Directory.CreateDirectory(point);
        _mounts.Add($"{40 + _mounts.Count} 31 0:{30 + _mounts.Count} {root} {point.Replace(" ", "\\040")} rw,relatime shared:9 - {type} {type} {options}");
        File.WriteAllLines(Path.Combine(Proc, "self", "mountinfo"), _mounts);
        return this;
    }

    /// <summary>Makes files of a cgroup, each "NAME=CONTENT"; a newline is put behind each.</summary>
    public CgroupTree Cgroup(string hierarchy, string path, params string[] files)
    {
        var directory = Directory.CreateDirectory(_path + "/" + hierarchy + path);
        foreach (var file in files)
        {
            var equals = file.IndexOf('=', StringComparison.Ordinal);
            File.WriteAllText(Path.Combine(directory.FullName, file[..equals]), file[(equals + 1)..] + "\n");
        }

        return this;
    }

    public void Remove(string hierarchy, string path) => Directory.Delete(_path + "/" + hierarchy + path, recursive: true);

    /// <summary>What the exporter itself is in.</summary>
    public void Own(params string[] lines) => File.WriteAllLines(Path.Combine(Proc, "self", "cgroup"), lines);

    /// <summary>A process in the namespace of that name, and in cgroups.</summary>
    public CgroupTree Process(int pid, string netns, params string[] lines)
    {
        var directory = Directory.CreateDirectory(Path.Combine(Proc, $"{pid}", "ns")).Parent!.FullName;
        File.CreateSymbolicLink(Path.Combine(directory, "ns", "net"), Netns(netns));
        File.WriteAllLines(Path.Combine(directory, "cgroup"), lines);
        return this;
    }

    public void End(int pid) => Directory.Delete(Path.Combine(Proc, $"{pid}"), recursive: true);

    /// <summary>A container in the namespace of that name.</summary>
    internal ContainerSample Container(string netns, string? cgroupPath = null)
    {
        var identity = NetworkNamespace.Glance(Netns(netns))!.Value;
        return new ContainerSample(
            Samples.Attachment(netns).In(identity) with { CgroupPath = cgroupPath }, default);
    }

    internal CgroupSource Source() => new(Clock, Proc);

    internal CgroupPaths Directories(string path) => CgroupMounts.Read(Path.Combine(Proc, "self", "mountinfo")).Locate(path)!;

    public void Dispose() => Directory.Delete(_path, recursive: true);

    private string Netns(string name)
    {
        var path = Path.Combine(_path, "netns-" + name);
        if (!File.Exists(path))
        {
            File.WriteAllText(path, "");
        }

        return path;
    }
}

/// <summary>A clock that stands still until it is moved.</summary>
internal sealed class ManualClock : TimeProvider
{
    private TimeSpan _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public void Advance(TimeSpan time) => _now += time;

    public override long GetTimestamp() => _now.Ticks;
}
