using System.Runtime.InteropServices;

namespace CniIsolator.Linux;

/// <summary>The host's processors, not those that this process may use.</summary>
public static partial class Processors
{
    private const int OnlineName = 84; // _SC_NPROCESSORS_ONLN

    /// <summary>
    /// How many are online, at least 1. <see cref="Environment.ProcessorCount"/> is no answer: it is bounded by the
    /// caller's affinity and cgroup, and a runtime starts plugins within its own.
    /// </summary>
    public static int Online => (int)Math.Clamp(Configuration(OnlineName), 1, int.MaxValue);

    [LibraryImport("libc", EntryPoint = "sysconf", SetLastError = true)]
    private static partial nint Configuration(int name);
}
