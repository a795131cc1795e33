using System.Globalization;
using System.Text;

namespace CniIsolator.Linux;

/// <summary>Tells who holds a lock, as far as the kernel tells it, for the message of somebody who waited in vain.</summary>
public static class LockHolder
{
    private const string Locks = "/proc/locks";
    private const int LongestCommand = 100;

    /// <summary>
    /// "is locked by process PID (COMMAND LINE)", or "is locked by another process" where nobody can be named: the holder has just let go, is in a
    /// process namespace that this one does not see, or the file system shows locks under another device number.
    /// </summary>
    /// <param name="path">The lock file.</param>
    public static string Describe(string path) => Find(path) is { } pid
        ? string.Create(CultureInfo.InvariantCulture, $"is locked by process {pid}{Command(pid)}")
        : "is locked by another process";

    /// <summary>A process that holds a lock (flock) on the file; of several shared holders any; null where none can be named.</summary>
    /// <param name="path">The lock file.</param>
    public static int? Find(string path)
    {
        try
        {
            return FileFacts.Read(path) is { } file ? Find(File.ReadLines(Locks), file) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <param name="lines">
    /// Lines of /proc/locks: "1: FLOCK  ADVISORY  WRITE 4711 00:1b:42 0 EOF"; device numbers are hexadecimal, and a "->" behind the number marks
    /// one that waits.
    /// </param>
    /// <param name="file">The lock file.</param>
    internal static int? Find(IEnumerable<string> lines, FileFacts file)
    {
        var place = string.Create(CultureInfo.InvariantCulture, $"{file.Device >> 32:x2}:{file.Device & uint.MaxValue:x2}:{file.Inode}");
        foreach (var line in lines)
        {
            // A holder whom this process cannot see has the id 0, or a negative one.
            if (line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, "FLOCK", _, _, var holder, var at, ..] && at == place
                && int.TryParse(holder, NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && pid > 0)
            {
                return pid;
            }
        }

        return null;
    }

    private static string Command(int pid)
    {
        try
        {
            var words = Encoding.UTF8.GetString(File.ReadAllBytes(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/cmdline"))).Split('\0', StringSplitOptions.RemoveEmptyEntries);

            // Whatever a process calls itself must not break a line of a log.
            var line = string.Join(' ', words.Select(word => string.Concat(word.Select(c => char.IsControl(c) ? '?' : c))));
            return line.Length == 0 ? "" : $" ({(line.Length <= LongestCommand ? line : line[..LongestCommand] + "...")})";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
