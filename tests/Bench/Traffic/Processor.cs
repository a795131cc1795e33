using System.ComponentModel;
using System.Runtime.InteropServices;

namespace CniIsolator.Bench.Traffic;

/// <summary>Keeps a thread on one processor: a scheduler that moves it about costs more than what is measured.</summary>
internal static unsafe partial class Processor
{
    private const int MaskBytes = 128; // sizeof(cpu_set_t)
    private const int FirstInFirstOut = 1; // SCHED_FIFO

    /// <summary>The processors that this program may use, at most two of them.</summary>
    public static IReadOnlyList<int> Usable { get; } = Find();

    /// <summary>Binds the calling thread.</summary>
    public static void Bind(int processor)
    {
        byte* mask = stackalloc byte[MaskBytes];
        new Span<byte>(mask, MaskBytes).Clear();
        mask[processor / 8] = (byte)(1 << (processor % 8));
        if (sched_setaffinity(0, MaskBytes, mask) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), "sched_setaffinity");
        }
    }

    /// <summary>Puts the calling thread ahead of all that have not asked for it: with one processor it is not to wait for those whose load it measures.</summary>
    public static void TakePrecedence()
    {
        int priority = 1;
        if (sched_setscheduler(0, FirstInFirstOut, &priority) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), "sched_setscheduler");
        }
    }

    private static List<int> Find()
    {
        byte* mask = stackalloc byte[MaskBytes];
        if (sched_getaffinity(0, MaskBytes, mask) < 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), "sched_getaffinity");
        }

        List<int> found = [];
        for (int i = 0; i < MaskBytes * 8 && found.Count < 2; i++)
        {
            if ((mask[i / 8] & (1 << (i % 8))) != 0)
            {
                found.Add(i);
            }
        }

        return found;
    }

    // Named as in libc.
    [LibraryImport("libc", SetLastError = true)]
    private static partial int sched_setaffinity(int id, nint length, byte* mask);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int sched_setscheduler(int id, int policy, int* priority);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int sched_getaffinity(int id, nint length, byte* mask);
}
