using System.Text;

namespace CniIsolator.Exporter.Cgroups;

/// <summary>Where the hierarchies are mounted, from /proc/self/mountinfo (proc(5)).</summary>
internal sealed class CgroupMounts
{
    // A host with a thousand containers has some ten thousand mounts. Nothing is gained from more than this.
    private const int MostLines = 200_000;

    /// <summary>Mount points, and which cgroup stands there: "/" unless only a part of a hierarchy is mounted.</summary>
    private readonly CgroupPaths _points = new();
    private readonly CgroupPaths _roots = new();

    public bool IsEmpty => _points.IsEmpty;

    /// <summary>Reads them; none where there is no such file or it cannot be read.</summary>
    /// <param name="mountInfo">Path of the file, whose mount points are taken as they are.</param>
    public static CgroupMounts Read(string mountInfo)
    {
        var mounts = new CgroupMounts();
        try
        {
            var count = 0;
            foreach (var line in File.ReadLines(mountInfo))
            {
                mounts.Add(line);
                if (++count == MostLines)
                {
                    break;
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What was read before stands.
        }

        return mounts;
    }

    /// <summary>The directory of a cgroup, or null where its hierarchy is not mounted, or not the part that it is in. The root is nobody's own.</summary>
    /// <param name="hierarchy">Where it is.</param>
    /// <param name="path">Beginning with a slash.</param>
    public string? Locate(CgroupHierarchy hierarchy, string path)
    {
        if (_points[hierarchy] is not { } point || path is "" or "/" || !path.StartsWith('/'))
        {
            return null;
        }

        var root = _roots[hierarchy]!;
        return root == "/" || (IsAbove(root) && !path.StartsWith("/..", StringComparison.Ordinal)) ? point + path
            : path.StartsWith(root, StringComparison.Ordinal) && path.Length > root.Length && path[root.Length] == '/' ? point + path[root.Length..]
            : null;
    }

    /// <summary>
    /// Whether what is mounted lies above this process' own cgroup namespace (cgroup_namespaces(7)): a container sees the host's mount as "/../..". Of a
    /// path that begins at the host's root it is the whole, however far above that is.
    /// </summary>
    private static bool IsAbove(string root)
    {
        foreach (var part in root.AsSpan(1).Split('/'))
        {
            if (root.AsSpan(1)[part] is not "..")
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The directories of the cgroups that have these paths, or null if there is none.</summary>
    public CgroupPaths? Locate(CgroupPaths paths)
    {
        var directories = new CgroupPaths();
        for (var hierarchy = CgroupHierarchy.Unified; hierarchy <= CgroupHierarchy.Memory; hierarchy++)
        {
            directories[hierarchy] = paths[hierarchy] is { } path ? Locate(hierarchy, path) : null;
        }

        return directories.IsEmpty ? null : directories;
    }

    /// <summary>The directories of the cgroups that have this path, in whichever hierarchy, or null if there is none.</summary>
    public CgroupPaths? Locate(string path)
    {
        var directories = new CgroupPaths();
        for (var hierarchy = CgroupHierarchy.Unified; hierarchy <= CgroupHierarchy.Memory; hierarchy++)
        {
            directories[hierarchy] = Locate(hierarchy, path);
        }

        return directories.IsEmpty ? null : directories;
    }

    // 34 31 0:30 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
    private void Add(string line)
    {
        var separator = line.IndexOf(" - cgroup", StringComparison.Ordinal);
        if (separator < 0)
        {
            return;
        }

        var place = line[..separator].Split(' ');
        var type = line[(separator + 3)..].Split(' ');
        if (place.Length < 6 || type.Length < 3)
        {
            return;
        }

        var (root, point) = (Unescape(place[3]), Unescape(place[4]));
        if (type[0] == "cgroup2")
        {
            Add(CgroupHierarchy.Unified, root, point);
        }
        else if (type[0] == "cgroup")
        {
            foreach (var option in type[2].Split(','))
            {
                if (CgroupPaths.OfController(option) is { } hierarchy)
                {
                    Add(hierarchy, root, point);
                }
            }
        }
    }

    /// <summary>A hierarchy may be mounted in several places: best where it is whole, else where it was first.</summary>
    private void Add(CgroupHierarchy hierarchy, string root, string point)
    {
        if (_points[hierarchy] is null || (root == "/" && _roots[hierarchy] != "/"))
        {
            _points[hierarchy] = point.TrimEnd('/');
            _roots[hierarchy] = root;
        }
    }

    /// <summary>Space, tab, newline and backslash stand there as \ooo, in octal.</summary>
    private static string Unescape(string text)
    {
        if (!text.Contains('\\', StringComparison.Ordinal))
        {
            return text;
        }

        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\' && i + 3 < text.Length && text.AsSpan(i + 1, 3).IndexOfAnyExceptInRange('0', '7') < 0)
            {
                result.Append((char)(((text[i + 1] - '0') << 6) | ((text[i + 2] - '0') << 3) | (text[i + 3] - '0')));
                i += 3;
            }
            else
            {
                result.Append(text[i]);
            }
        }

        return result.ToString();
    }
}
