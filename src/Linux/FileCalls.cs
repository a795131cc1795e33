using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Linux;

/// <summary>The libc calls behind FileLock, PrivateFile and FileFacts, with errors turned into exceptions that name the path.</summary>
internal static partial class FileCalls
{
    internal const int ReadOnly = 0;
    internal const int WriteOnly = 1;
    internal const int ReadWrite = 2;
    internal const int CreateFile = 0x40;
    internal const int Exclusive = 0x80;
    internal const int NoTerminal = 0x100; // O_NOCTTY
    internal const int Append = 0x400;
    internal const int NonBlocking = 0x800;

    private const int CloseOnExec = 0x80000;
    private const uint OwnerOnly = 0b110_000_000; // 0600
    private const int LockShared = 1; // LOCK_SH
    private const int LockExclusive = 2;
    private const int LockNonBlocking = 4;
    private const int LockRelease = 8;
    private const int CurrentDirectory = -100; // AT_FDCWD
    private const int DoNotFollow = 0x100; // AT_SYMLINK_NOFOLLOW
    private const int EmptyPath = 0x1000; // AT_EMPTY_PATH
    private const uint BasicStats = 0x7ff; // STATX_BASIC_STATS

    private const int NotPermitted = 1; // EPERM
    private const int NoSuchEntry = 2; // ENOENT
    private const int NoSuchProcess = 3; // ESRCH
    private const int Interrupted = 4; // EINTR
    private const int WouldBlock = 11; // EAGAIN
    private const int AccessDenied = 13; // EACCES
    private const int Exists = 17; // EEXIST
    private const int NotADirectory = 20; // ENOTDIR
    private const int IsADirectory = 21; // EISDIR
    private const int InvalidArgument = 22; // EINVAL
    private const int NoSpace = 28; // ENOSPC: no blocks, or no inodes
    private const int ReadOnlyFileSystem = 30; // EROFS
    private const int QuotaExceeded = 122; // EDQUOT
    private const int Loop = 40; // ELOOP: the last component is a symbolic link

    // The one open flag used here whose value differs between architectures.
    private static int NoFollow =>
        RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x8000 : 0x20000;

    internal static SafeFileHandle? Open(string path, int flags, bool missingIsNull = false, uint mode = OwnerOnly)
    {
        while (true)
        {
            var descriptor = open(path, flags | CloseOnExec | NoFollow, mode);
            if (descriptor >= 0)
            {
                return new SafeFileHandle(descriptor, ownsHandle: true);
            }

            switch (Marshal.GetLastPInvokeError())
            {
                case Interrupted:
                    continue;
                case NoSuchEntry when missingIsNull:
                    return null;
                case Loop:
                    throw new NotRegularFileException($"{path}: a symbolic link, which is not followed");
                case IsADirectory:
                    throw new NotRegularFileException($"{path}: a directory");
                default:
                    throw Failure("open", path);
            }
        }
    }

    /// <summary>Whether a file could not be made or written since its file system is full or read-only.</summary>
    internal static bool IsUnwritable(Exception e) => e is IOException && e.HResult is NoSpace or ReadOnlyFileSystem or QuotaExceeded;

    /// <summary>Sets mode 0600 on a file just opened; an umask can only have taken bits away, an operator added some.</summary>
    internal static SafeFileHandle Restricted(SafeFileHandle file, string path)
    {
        try
        {
            if (Stat(file, path).Permissions != OwnerOnly && fchmod(file, OwnerOnly) != 0)
            {
                throw Failure("chmod", path);
            }

            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    internal static FileFacts Stat(SafeFileHandle file, string path)
    {
        var reference = false;
        try
        {
            file.DangerousAddRef(ref reference);
            return statx((int)file.DangerousGetHandle(), "", EmptyPath, BasicStats, out var result) == 0
                ? result.Facts
                : throw Failure("stat", path);
        }
        finally
        {
            if (reference)
            {
                file.DangerousRelease();
            }
        }
    }

    internal static FileFacts? Stat(string path)
    {
        if (statx(CurrentDirectory, path, DoNotFollow, BasicStats, out var result) == 0)
        {
            return result.Facts;
        }

        return Marshal.GetLastPInvokeError() == NoSuchEntry ? null : throw Failure("stat", path);
    }

    internal static bool TryLock(SafeFileHandle file, string path, bool shared)
    {
        while (flock(file, (shared ? LockShared : LockExclusive) | LockNonBlocking) != 0)
        {
            switch (Marshal.GetLastPInvokeError())
            {
                case WouldBlock:
                    return false;
                case Interrupted:
                    continue;
                default:
                    throw Failure("lock", path);
            }
        }

        return true;
    }

    internal static void Flush(SafeFileHandle file, string path)
    {
        while (fsync(file) != 0)
        {
            switch (Marshal.GetLastPInvokeError())
            {
                case Interrupted:
                    continue;
                case InvalidArgument:
                    return;
                default:
                    throw Failure("flush", path);
            }
        }
    }

    internal static void Unlock(SafeFileHandle file) => _ = flock(file, LockRelease);

    internal static void Pause(int milliseconds) => _ = poll(0, 0, milliseconds);

    internal static uint CurrentUser() => geteuid();

    internal static bool ProcessExists(int pid) =>
        pid > 0 && (kill(pid, 0) == 0 || Marshal.GetLastPInvokeError() != NoSuchProcess);

    internal static bool TryMakeDirectory(string path, uint mode)
    {
        if (mkdir(path, mode) != 0)
        {
            return Marshal.GetLastPInvokeError() == Exists ? false : throw Failure("mkdir", path);
        }

        return chmod(path, mode) == 0 ? true : throw Failure("chmod", path);
    }

    internal static void RemoveDirectory(string path)
    {
        if (rmdir(path) != 0)
        {
            throw Failure("rmdir", path);
        }
    }

    private static Exception Failure(string operation, string path)
    {
        var error = Marshal.GetLastPInvokeError();
        var message = $"{operation} {path}: {Marshal.GetPInvokeErrorMessage(error)}";
        return error switch
        {
            NotPermitted or AccessDenied => new UnauthorizedAccessException(message),
            NoSuchEntry or NotADirectory => new DirectoryNotFoundException(message),
            _ => new IOException(message, error),
        };
    }

    /// <summary>The head of struct statx, whose layout is the same on every architecture.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private readonly struct StatxResult
    {
        [FieldOffset(20)]
        private readonly uint _owner;

        [FieldOffset(28)]
        private readonly ushort _mode;

        [FieldOffset(32)]
        private readonly ulong _inode;

        [FieldOffset(40)]
        private readonly ulong _size;

        [FieldOffset(96)]
        private readonly long _changedSeconds;

        [FieldOffset(104)]
        private readonly uint _changedNanoseconds;

        [FieldOffset(136)]
        private readonly uint _deviceMajor;

        [FieldOffset(140)]
        private readonly uint _deviceMinor;

        internal FileFacts Facts => new(
            _mode, _owner, ((ulong)_deviceMajor << 32) | _deviceMinor, _inode, _size, unchecked((_changedSeconds * 1_000_000_000) + _changedNanoseconds));
    }

    // Named as in libc.
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fchmod(SafeFileHandle file, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mkdir(string path, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int rmdir(string path);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chmod(string path, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, out StatxResult result);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(SafeFileHandle file);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(SafeFileHandle file, int operation);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(nint descriptors, nuint count, int milliseconds);

    [LibraryImport("libc", SetLastError = true)]
    private static partial uint geteuid();

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int pid, int signal);
}
