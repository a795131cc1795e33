using System.Text;
using System.Runtime.InteropServices;

namespace CniIsolator.Linux;

/// <summary>
/// Kernel parameters below /proc/sys, of the calling thread's network namespace where they are per namespace.
/// Names are paths, "net/ipv4/conf/eth0/rp_filter", because interface names may contain dots.
/// </summary>
public static unsafe class Sysctl
{
    private const string Root = "/proc/sys/";

    /// <summary>The value without the line end, or null where this kernel has no such parameter, or has no more: those of an interface go with it.</summary>
    /// <exception cref="LinuxException">It exists and cannot be read.</exception>
    public static string? Read(string name)
    {
        var descriptor = Open(name, Libc.OpenReadOnly);
        if (descriptor < 0)
        {
            return null;
        }

        try
        {
            const int Size = 4096;
            var buffer = stackalloc byte[Size];
            var count = Libc.Read(descriptor, buffer, Size);
            if (count < 0)
            {
                return IsGone() ? null : throw LinuxException.FromLastError($"read sysctl {name}");
            }

            return Encoding.ASCII.GetString(buffer, (int)count).TrimEnd('\n');
        }
        finally
        {
            _ = Libc.Close(descriptor);
        }
    }

    /// <summary>Writes the value; false where this kernel has no such parameter, or has no more.</summary>
    /// <exception cref="LinuxException">It exists and refuses the value.</exception>
    public static bool Write(string name, string value)
    {
        var descriptor = Open(name, Libc.OpenWriteOnly);
        if (descriptor < 0)
        {
            return false;
        }

        try
        {
            var bytes = Encoding.ASCII.GetBytes(value);
            fixed (byte* pointer = bytes)
            {
                if (Libc.Write(descriptor, pointer, bytes.Length) != bytes.Length)
                {
                    return IsGone() ? false : throw LinuxException.FromLastError($"write \"{value}\" to sysctl {name}");
                }
            }

            return true;
        }
        finally
        {
            _ = Libc.Close(descriptor);
        }
    }

    private static int Open(string name, int flags)
    {
        var descriptor = Libc.Open(Root + name, flags | Libc.OpenCloseOnExec, 0);
        if (descriptor < 0 && !IsGone())
        {
            throw LinuxException.FromLastError($"open sysctl {name}");
        }

        return descriptor;
    }

    // Also of one that was opened while it was there.
    private static bool IsGone() => (Errno)Marshal.GetLastPInvokeError() is Errno.NoEntry or Errno.NotDirectory;
}
