using System.Globalization;
using CniIsolator.Linux;

namespace CniIsolator.Exporter.Cgroups;

/// <summary>
/// Finds the cgroup of a container through the processes in its network namespace. Those of a pod are in several cgroups, one for each of its containers: the
/// closest one that has them all inside is taken for the pod's. A process that only visits the namespace (a debugging shell by nsenter) distorts that: it may make a
/// cgroup too wide, or leave nothing but the root, and then the container's is not known until it has gone. That is why a runtime's own word goes before this.
/// </summary>
/// <param name="proc">Where procfs is mounted.</param>
internal sealed class ProcessScan(string proc)
{
    private const int LongestFile = 16 * 1024;

    private readonly byte[] _buffer = new byte[LongestFile];

    /// <summary>
    /// Looks at every process once. One in the root, or in the exporter's own cgroup, tells nothing; nor does a cgroup that has the exporter inside. What cannot be
    /// looked at, for want of permission or because it has ended, is passed over.
    /// </summary>
    /// <param name="wanted">The namespaces of interest, each with an empty set of paths, which is filled.</param>
    /// <exception cref="IOException">The processes cannot be listed.</exception>
    /// <exception cref="UnauthorizedAccessException">Permission for that is missing.</exception>
    public void Run(Dictionary<NamespaceIdentity, CgroupPaths> wanted)
    {
        var own = Membership(Path.Combine(proc, "self")) ?? new CgroupPaths();
        foreach (var process in Directory.EnumerateDirectories(proc))
        {
            if (int.TryParse(Path.GetFileName(process.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out _)
                && NetworkNamespace.Glance(process + "/ns/net") is { } identity
                && wanted.TryGetValue(identity, out var found)
                && Membership(process) is { } paths)
            {
                Merge(found, paths, own);
            }
        }

        foreach (var (_, found) in wanted)
        {
            for (var hierarchy = CgroupHierarchy.Unified; hierarchy <= CgroupHierarchy.Memory; hierarchy++)
            {
                if (found[hierarchy] is { } path && (path == "/" || CgroupMembership.Contains(path, own[hierarchy])))
                {
                    found[hierarchy] = null;
                }
            }
        }
    }

    private static void Merge(CgroupPaths found, CgroupPaths process, CgroupPaths own)
    {
        for (var hierarchy = CgroupHierarchy.Unified; hierarchy <= CgroupHierarchy.Memory; hierarchy++)
        {
            if (process[hierarchy] is { } path && path != "/" && path != own[hierarchy])
            {
                found[hierarchy] = found[hierarchy] is { } before ? CgroupMembership.CommonAncestor(before, path) : path;
            }
        }
    }

    private CgroupPaths? Membership(string process)
    {
        if (KernelDirectory.Open(process, out var directory) != ReadOutcome.Read)
        {
            return null;
        }

        using (directory)
        {
            return directory.Read("cgroup"u8, _buffer, out var content) == ReadOutcome.Read ? CgroupMembership.Parse(content) : null;
        }
    }
}
