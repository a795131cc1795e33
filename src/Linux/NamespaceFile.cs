using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Linux;

/// <summary>
/// An open file below /proc/net. It belongs for ever to the network namespace of the thread that opened it, and keeps that namespace
/// alive, also when the thread has ended.
/// </summary>
public sealed unsafe class NamespaceFile : IDisposable
{
    // Not /proc/net, which is that of the process' first thread.
    private const string Root = "/proc/thread-self/net/";

    private readonly string _name;
    private readonly SafeFileHandle _handle;

    private NamespaceFile(string name, SafeFileHandle handle)
    {
        _name = name;
        _handle = handle;
    }

    /// <summary>Opens a file such as <c>snmp</c>; null where this kernel has none of that name.</summary>
    /// <exception cref="LinuxException">It exists and cannot be opened.</exception>
    public static NamespaceFile? TryOpen(string name)
    {
        var descriptor = Libc.Open(Root + name, Libc.OpenReadOnly | Libc.OpenCloseOnExec, 0);
        if (descriptor >= 0)
        {
            return new NamespaceFile(name, new SafeFileHandle(descriptor, ownsHandle: true));
        }

        return (Errno)Marshal.GetLastPInvokeError() is Errno.NoEntry ? null : throw LinuxException.FromLastError($"open {Root}{name}");
    }

    /// <summary>Has the kernel write the file anew. Returns how much of it came, no more than the buffer holds.</summary>
    /// <exception cref="LinuxException">It cannot be read.</exception>
    public int Read(Span<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        fixed (byte* bytes = buffer)
        {
            // From the begin: seq_read_iter() of the kernel's fs/seq_file.c starts over there.
            var count = Libc.ReadAt((int)_handle.DangerousGetHandle(), bytes, buffer.Length, 0);
            return count < 0 ? throw LinuxException.FromLastError($"read net/{_name}") : (int)count;
        }
    }

    public void Dispose() => _handle.Dispose();
}
