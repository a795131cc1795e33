using System.Globalization;

namespace CniIsolator.Linux;

/// <summary>What tells this boot and this process from earlier ones.</summary>
public static class HostIdentity
{
    /// <summary>A fresh UUID for every boot.</summary>
    public static string BootId => File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    /// <summary>
    /// When a process started, in clock ticks since boot (field 22 of proc(5) stat), or null when it does not live.
    /// Together with the pid it names one process for the whole of a boot.
    /// </summary>
    public static ulong? ProcessStartTime(int pid)
    {
        try
        {
            var stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));

            // The second field is the command in brackets, and may hold spaces and brackets itself.
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            const int StartTime = 22 - 3;
            return fields[0] is "Z" or "X" ? null : ulong.Parse(fields[StartTime], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Sets the file mode mask of the process and returns the previous one.</summary>
    public static int SetUmask(int mask) => Libc.Umask(mask);
}
