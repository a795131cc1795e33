using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Linux;

/// <summary>
/// Tells whether anything in a directory has changed since it was asked last, without looking at the files: their content, names, modes and
/// owners, and the directory itself. What is written through a memory mapping is not seen. Source: inotify(7), linux/inotify.h.
/// </summary>
public sealed unsafe partial class DirectoryWatch : IDisposable
{
    private const int NonBlocking = 0x800; // IN_NONBLOCK
    private const int CloseOnExec = 0x80000; // IN_CLOEXEC
    private const uint OnlyDirectory = 0x0100_0000; // IN_ONLYDIR
    private const uint DoNotFollow = 0x0200_0000; // IN_DONT_FOLLOW
    private const uint Changes =
        0x0000_0002 // IN_MODIFY
        | 0x0000_0004 // IN_ATTRIB
        | 0x0000_0040 // IN_MOVED_FROM
        | 0x0000_0080 // IN_MOVED_TO
        | 0x0000_0100 // IN_CREATE
        | 0x0000_0200 // IN_DELETE
        | 0x0000_0400 // IN_DELETE_SELF
        | 0x0000_0800; // IN_MOVE_SELF

    // An event takes 16 bytes and its file's name; what is left is read in the next turn.
    private const int BufferBytes = 4096;

    private readonly SafeFileHandle _handle;
    private bool _blind;

    private DirectoryWatch(SafeFileHandle handle) => _handle = handle;

    /// <summary>Begins to watch a directory; null where there is none, or the kernel has no more watches to give: a user has 128 at most, usually.</summary>
    public static DirectoryWatch? TryOpen(string path)
    {
        var descriptor = InotifyInit(NonBlocking | CloseOnExec);
        if (descriptor < 0)
        {
            return null;
        }

        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        if (InotifyAddWatch(descriptor, path, Changes | OnlyDirectory | DoNotFollow) < 0)
        {
            handle.Dispose();
            return null;
        }

        return new DirectoryWatch(handle);
    }

    /// <summary>Whether something has changed since the last call. One that cannot tell any more says so each time.</summary>
    public bool HasChanged()
    {
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        var buffer = stackalloc byte[BufferBytes];
        var changed = false;
        while (!_blind)
        {
            var length = Libc.Read((int)_handle.DangerousGetHandle(), buffer, BufferBytes);
            if (length > 0)
            {
                changed = true;
                continue;
            }

            var errno = (Errno)Marshal.GetLastPInvokeError();
            if (length < 0 && errno == Errno.Interrupted)
            {
                continue;
            }

            _blind = length == 0 || errno != Errno.TryAgain;
            break;
        }

        return changed || _blind;
    }

    public void Dispose() => _handle.Dispose();

    [LibraryImport("libc", EntryPoint = "inotify_init1", SetLastError = true)]
    private static partial int InotifyInit(int flags);

    [LibraryImport("libc", EntryPoint = "inotify_add_watch", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int InotifyAddWatch(int descriptor, string path, uint mask);
}
