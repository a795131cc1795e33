using System.Runtime.InteropServices;

namespace CniIsolator.Linux;

/// <summary>How many files this process may have open.</summary>
public static unsafe partial class DescriptorLimit
{
    private const int OpenFiles = 7; // RLIMIT_NOFILE

    /// <summary>
    /// Raises the soft limit to the hard one, which is there for programs that do not use select(2). Returns what the limit is now.
    /// </summary>
    /// <exception cref="LinuxException">It cannot be told.</exception>
    public static long Raise()
    {
        ResourceLimit limit;
        if (GetLimit(OpenFiles, &limit) != 0)
        {
            throw LinuxException.FromLastError("getrlimit RLIMIT_NOFILE");
        }

        var raised = limit with { Soft = limit.Hard };

        // Who may not raise it has what it had.
        var now = SetLimit(OpenFiles, &raised) == 0 ? raised : limit;
        return (long)Math.Min(now.Soft, long.MaxValue);
    }

    [LibraryImport("libc", EntryPoint = "getrlimit", SetLastError = true)]
    private static partial int GetLimit(int resource, ResourceLimit* limit);

    [LibraryImport("libc", EntryPoint = "setrlimit", SetLastError = true)]
    private static partial int SetLimit(int resource, ResourceLimit* limit);
}

/// <summary>struct rlimit of sys/resource.h, on 64-bit machines.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ResourceLimit
{
    public ulong Soft; // rlim_cur
    public ulong Hard; // rlim_max
}
