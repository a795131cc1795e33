namespace CniIsolator.Linux;

/// <summary>What tells this boot from earlier ones.</summary>
public static class HostIdentity
{
    /// <summary>A fresh UUID for every boot.</summary>
    public static string BootId => File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    /// <summary>Sets the file mode mask of the process and returns the previous one.</summary>
    public static int SetUmask(int mask) => Libc.Umask(mask);
}
