using System.Text;

namespace CniIsolator.Exporter.Cgroups;

/// <summary>The cgroups that a process is in, from /proc/PID/cgroup (cgroups(7)).</summary>
internal static class CgroupMembership
{
    private const string Deleted = " (deleted)";

    /// <summary>The path in each hierarchy of interest. A cgroup that was removed is none.</summary>
    public static CgroupPaths Parse(ReadOnlySpan<byte> text)
    {
        var paths = new CgroupPaths();
        foreach (var line in Encoding.UTF8.GetString(text).AsSpan().EnumerateLines())
        {
            // 4:cpu,cpuacct:/path, and of the unified one 0::/path
            var first = line.IndexOf(':');
            var second = first < 0 ? -1 : line[(first + 1)..].IndexOf(':');
            if (second < 0)
            {
                continue;
            }

            var controllers = line.Slice(first + 1, second);
            var path = line[(first + second + 2)..];
            if (!path.StartsWith('/') || path.EndsWith(Deleted, StringComparison.Ordinal))
            {
                continue;
            }

            if (controllers.IsEmpty)
            {
                paths[CgroupHierarchy.Unified] = path.ToString();
                continue;
            }

            foreach (var part in controllers.Split(','))
            {
                if (CgroupPaths.OfController(controllers[part]) is { } hierarchy)
                {
                    paths[hierarchy] = path.ToString();
                }
            }
        }

        return paths;
    }

    /// <summary>The closest cgroup that has both inside it, or is both: "/" at last.</summary>
    public static string CommonAncestor(string one, string other)
    {
        var same = 0;
        for (var i = 0; ; i++)
        {
            var oneEnds = i == one.Length || one[i] == '/';
            var otherEnds = i == other.Length || other[i] == '/';
            if (oneEnds && otherEnds)
            {
                same = i;
            }

            if (i == one.Length || i == other.Length || one[i] != other[i])
            {
                return same == 0 ? "/" : one[..same];
            }
        }
    }

    /// <summary>Whether a cgroup is another or has it inside.</summary>
    public static bool Contains(string outer, string? inner) =>
        inner is not null && (outer == "/" || (inner.StartsWith(outer, StringComparison.Ordinal) && (inner.Length == outer.Length || inner[outer.Length] == '/')));
}
