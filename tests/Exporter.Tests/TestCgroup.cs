using System.Diagnostics;
using System.Globalization;
using CniIsolator.Testbed;

namespace CniIsolator.Exporter.KernelTests;

/// <summary>
/// A cgroup of one test, of the same name in each hierarchy that there is, at the hierarchy's root. No process is moved in the memory hierarchy, where it would
/// slip out of the limits that the tests run under: there the cgroup stays empty.
/// </summary>
public sealed class TestCgroup : IDisposable
{
    private const string Prefix = "pmit-";

    private static readonly string[] Kinds = ["cpu", "cpuacct", "memory", "unified"];
    private static int _count;

    public TestCgroup()
    {
        Sweep();
        foreach (string kind in Kinds)
        {
            if (Mount(kind) is { } mount)
            {
                Directory.CreateDirectory(mount + Path);
            }
        }
    }

    /// <summary>Why no cgroup can be made here, or null.</summary>
    public static string? Obstacle { get; } = FindObstacle();

    /// <summary>Below the root of each hierarchy.</summary>
    public string Path { get; } = $"/{Prefix}{Environment.ProcessId}-{Interlocked.Increment(ref _count)}";

    public static bool Has(string kind) => Mount(kind) != null;

    public string Read(string kind, string file) => File.ReadAllText(Mount(kind) + Path + "/" + file);

    public void Write(string kind, string file, string value) => File.WriteAllText(Mount(kind) + Path + "/" + file, value);

    public void Enter(Process process, string kind) => Write(kind, "cgroup.procs", process.Id.ToString(CultureInfo.InvariantCulture));

    public void Remove(string kind) => Directory.Delete(Mount(kind) + Path);

    public void Dispose()
    {
        foreach (string kind in Kinds)
        {
            if (Mount(kind) is { } mount && Directory.Exists(mount + Path))
            {
                // A process that was killed is in it until the kernel is done with it.
                Wait.Until(() => TryRemove(mount + Path), $"{mount + Path} to be empty");
            }
        }
    }

    /// <summary>Where a hierarchy is mounted, or null: a v1 controller's, or the unified one.</summary>
    private static string? Mount(string kind)
    {
        foreach (string line in File.ReadLines("/proc/self/mountinfo"))
        {
            string[] fields = line.Split(' ');
            int separator = Array.IndexOf(fields, "-");
            if (kind == "unified" ? fields[separator + 1] == "cgroup2" : fields[separator + 1] == "cgroup" && fields[^1].Split(',').Contains(kind))
            {
                return fields[4];
            }
        }

        return null;
    }

    private static string? FindObstacle()
    {
        try
        {
            if (!Has("unified") && !Has("cpuacct"))
            {
                return "no cgroup hierarchy that counts CPU time is mounted";
            }

            using TestCgroup probe = new();
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"no cgroup can be made: {e.Message}";
        }
    }

    /// <summary>Removes what test processes that were killed have left.</summary>
    private static void Sweep()
    {
        foreach (string kind in Kinds)
        {
            foreach (string left in Mount(kind) is { } mount ? Directory.GetDirectories(mount, Prefix + "*") : [])
            {
                if (!Directory.Exists($"/proc/{left.Split('-')[^2]}"))
                {
                    TryRemove(left);
                }
            }
        }
    }

    private static bool TryRemove(string path)
    {
        try
        {
            Directory.Delete(path);
            return true;
        }
        catch (IOException)
        {
            return !Directory.Exists(path);
        }
    }
}

/// <summary>A test that needs cgroups of its own.</summary>
public sealed class FactWithCgroupsAttribute : FactAttribute
{
    public FactWithCgroupsAttribute(params string[] kinds)
    {
        Skip = TestCgroup.Obstacle ?? (Array.Find(kinds, kind => !TestCgroup.Has(kind)) is { } missing ? $"no cgroup hierarchy {missing} is mounted" : null);
    }
}
