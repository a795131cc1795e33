using CniIsolator.Exporter.Sampling;
using CniIsolator.Ipam;
using CniIsolator.Linux;

namespace CniIsolator.Exporter.Cgroups;

/// <summary>
/// Finds the cgroups of containers and reads them. Where one is, is kept; that it is still there is seen when it is read. What the runtime told (the record's
/// <c>cgroupPath</c>) goes first, and where there is no such cgroup, a scan of all processes helps. One scan serves all containers that lack a cgroup.
/// Not for several threads.
/// </summary>
/// <param name="clock">For the distance between scans.</param>
/// <param name="proc">Where procfs is mounted.</param>
internal sealed class CgroupSource(TimeProvider clock, string proc = "/proc")
{
    /// <summary>A scan looks at every process of the host: there is no other for this long, whoever lacks a cgroup.</summary>
    internal static readonly TimeSpan ScanDistance = TimeSpan.FromSeconds(10);

    /// <summary>For how long the result of a scan is relied on: a pod's containers come one after another, and each may show that the pod's cgroup is a wider one.</summary>
    internal static readonly TimeSpan ScanLifetime = TimeSpan.FromMinutes(1);

    private readonly CgroupReader _reader = new();
    private readonly ProcessScan _scan = new(proc);
    private readonly Dictionary<AttachmentKey, Entry> _entries = [];
    private CgroupMounts _mounts = CgroupMounts.Read(proc + "/self/mountinfo");
    private long? _lastScan;
    private ulong _round;

    /// <summary>Times that a cgroup was there and could not be read, or that the processes could not be listed.</summary>
    public ulong Faults { get; private set; }

    /// <summary>Sets the resources of those containers whose cgroup is known.</summary>
    public void Fill(List<ContainerSample> containers)
    {
        _round++;
        var entries = new Entry?[containers.Count];
        var lacking = new List<Entry>();
        for (var i = 0; i < entries.Length; i++)
        {
            if (EntryOf(containers[i].Attachment) is { } entry)
            {
                entries[i] = entry;
                if (!Read(entry))
                {
                    lacking.Add(entry);
                }
            }
        }

        if (lacking.Count > 0 && (_lastScan is not { } last || clock.GetElapsedTime(last) >= ScanDistance))
        {
            Scan(lacking);
        }

        for (var i = 0; i < entries.Length; i++)
        {
            if (entries[i]?.Resources is { } resources)
            {
                containers[i].Resources = resources;
            }
        }

        Forget();
    }

    /// <summary>What is kept of the container; null where the record does not tell the namespace, as after it was rebuilt.</summary>
    private Entry? EntryOf(Attachment attachment)
    {
        if (attachment.Namespace.Inode == 0)
        {
            return null;
        }

        // An id may be used again, for a container with another namespace or cgroup.
        var identity = attachment.Namespace.Identity;
        if (!_entries.TryGetValue(attachment.Key, out var entry) || entry.Namespace != identity || entry.Notation != attachment.CgroupPath)
        {
            entry = new Entry(identity, attachment.CgroupPath) { Told = Locate(attachment.CgroupPath) };
            _entries[attachment.Key] = entry;
        }

        entry.Round = _round;
        return entry;
    }

    private CgroupPaths? Locate(string? notation) =>
        notation is not null && CgroupNotation.ToPath(notation) is { } path ? _mounts.Locate(path) : null;

    /// <summary>Reads one; false if a scan may tell more.</summary>
    private bool Read(Entry entry)
    {
        entry.Resources = ReadAt(entry.Told);
        if (entry.Resources is not null)
        {
            return true;
        }

        entry.Resources = ReadAt(entry.Seen);
        return entry.Resources is not null && clock.GetElapsedTime(entry.SeenAt) < ScanLifetime;
    }

    private ContainerResources? ReadAt(CgroupPaths? directories)
    {
        if (directories is null)
        {
            return null;
        }

        var resources = _reader.Read(directories);
        Faults += _reader.Failed ? 1UL : 0;
        return resources;
    }

    private void Scan(List<Entry> lacking)
    {
        _lastScan = clock.GetTimestamp();
        if (_mounts.IsEmpty)
        {
            _mounts = CgroupMounts.Read(proc + "/self/mountinfo");
        }

        var wanted = new Dictionary<NamespaceIdentity, CgroupPaths>(lacking.Count);
        foreach (var entry in lacking)
        {
            wanted[entry.Namespace] = new CgroupPaths();
        }

        try
        {
            _scan.Run(wanted);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Faults++;
            return;
        }

        foreach (var entry in lacking)
        {
            entry.Told ??= Locate(entry.Notation);
            entry.Seen = _mounts.Locate(wanted[entry.Namespace]);
            entry.SeenAt = _lastScan.Value;
            Read(entry);
        }
    }

    private void Forget()
    {
        foreach (var (key, entry) in _entries)
        {
            // A Dictionary allows removal while it is walked.
            if (entry.Round != _round)
            {
                _entries.Remove(key);
            }
            else
            {
                entry.Resources = null;
            }
        }
    }

    private sealed class Entry(NamespaceIdentity identity, string? notation)
    {
        public NamespaceIdentity Namespace { get; } = identity;

        public string? Notation { get; } = notation;

        /// <summary>Directories of the cgroup that the runtime told of, which may not be there.</summary>
        public CgroupPaths? Told { get; set; }

        /// <summary>Directories of the cgroup that a process was seen in.</summary>
        public CgroupPaths? Seen { get; set; }

        public long SeenAt { get; set; }

        public ulong Round { get; set; }

        public ContainerResources? Resources { get; set; }
    }
}
