using System.Globalization;

namespace CniIsolator.Testbed;

/// <summary>Removes what test processes that were killed have left behind.</summary>
public static class Leftovers
{
    /// <summary>Removes every namespace and temporary directory named after a process that is no more. Returns their paths.</summary>
    public static IReadOnlyList<string> Sweep()
    {
        List<string> removed = [];
        foreach (string path in Entries(Namespace.Directory))
        {
            if (Remove(path))
            {
                removed.Add(path);
            }
        }

        foreach (string path in ((string[])[Path.GetTempPath(), Topology.StateRoot]).Distinct().SelectMany(Entries).Where(Directory.Exists))
        {
            try
            {
                Directory.Delete(path, recursive: true);
                removed.Add(path);
            }
            catch (IOException)
            {
                // Another test process sweeps at the same time.
            }
        }

        return removed;
    }

    /// <summary>Unmounts and unlinks one name; true if it was there and is gone.</summary>
    internal static bool Remove(string path)
    {
        // Not mounted is as good: then only the file is left of an attempt that was interrupted.
        _ = Native.Unmount(path, Native.UnmountDetach);
        try
        {
            bool existed = File.Exists(path);
            File.Delete(path);
            return existed;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static IEnumerable<string> Entries(string directory) => Directory.Exists(directory)
        ? [.. Directory.EnumerateFileSystemEntries(directory, Namespace.Prefix + "*").Where(path => MakerIsDead(Path.GetFileName(path)))]
        : [];

    private static bool MakerIsDead(string name)
    {
        string[] parts = name.Split('-');
        return parts.Length >= 3 && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int maker)
            && !Directory.Exists($"/proc/{maker}");
    }
}
