namespace CniIsolator.Ipam;

/// <summary>
/// What may stand in a record as a container's cgroup, in the runtime's notation: a path below the cgroup hierarchies ("/kubepods/burstable/podX"),
/// a systemd slice ("kubepods-burstable-podX.slice"), or slice, prefix and name of a systemd scope ("kubepods-podX.slice:cri-containerd:ID").
/// </summary>
public static class CgroupPath
{
    /// <summary>PATH_MAX of linux/limits.h: a longer one cannot be opened.</summary>
    public const int LongestPath = 4096;

    /// <summary>What is wrong with it, or null. Whether there is such a cgroup is not looked at.</summary>
    public static string? FindFault(string path) =>
        path.Length > LongestPath ? $"is longer than {LongestPath} characters"
        : path.Contains('\0', StringComparison.Ordinal) ? "contains NUL"
        : Array.IndexOf(path.Split('/', ':'), "..") >= 0 ? "has an element \"..\""
        : null;
}
