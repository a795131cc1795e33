using System.ComponentModel;
using System.Runtime.InteropServices;

namespace CniIsolator.Fuzz;

/// <summary>
/// Takes the calling thread, and what it starts, where mutated paths and names can do no harm: a network namespace without interfaces, and
/// the machine's files read-only, apart from empty places for state, logs and temporary files.
/// </summary>
internal static partial class Sandbox
{
    private const int NewMounts = 0x20000; // CLONE_NEWNS
    private const int NewNetwork = 0x40000000; // CLONE_NEWNET
    private const ulong ReadOnly = 1; // MS_RDONLY
    private const ulong Remount = 32; // MS_REMOUNT
    private const ulong Bind = 4096; // MS_BIND
    private const ulong Recursive = 16384; // MS_REC
    private const ulong Private = 1 << 18; // MS_PRIVATE

    private const string Programs = "/run/programs";

    [ThreadStatic]
    private static bool _entered;

    /// <summary>The plugin, as it is seen from inside.</summary>
    public static string Program { get; } = Path.Combine(Programs, Path.GetFileName(Testbed.Plugin.DefaultBinary));

    /// <exception cref="Win32Exception">Not permitted.</exception>
    public static void Enter()
    {
        if (_entered)
        {
            return;
        }

        Demand(Unshare(NewMounts | NewNetwork), "unshare");
        Demand(Mount("none", "/", null, Private | Recursive, 0), "make mounts private");
        foreach (var line in File.ReadAllLines("/proc/self/mounts").Reverse())
        {
            // Some of the kernel's own cannot be; whoever asks for those as a state directory gets an error by the kernel.
            _ = Mount("none", line.Split(' ')[1].Replace("\\040", " "), null, ReadOnly | Remount | Bind, 0);
        }

        Demand(Mount("tmpfs", "/run", "tmpfs", 0, 0), "/run");

        // It may lie below a place that is about to be covered.
        Directory.CreateDirectory(Programs);
        Demand(Mount(Path.GetDirectoryName(Testbed.Plugin.DefaultBinary)!, Programs, null, Bind, 0), Programs);
        foreach (var place in (string[])["/tmp", "/var/log"])
        {
            Demand(Mount("tmpfs", place, "tmpfs", 0, 0), place);
        }

        _entered = true;
    }

    private static void Demand(int result, string what)
    {
        if (result != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), what);
        }
    }

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    private static partial int Unshare(int flags);

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Mount(string source, string target, string? type, ulong flags, nint data);
}
