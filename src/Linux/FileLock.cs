using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Linux;

/// <summary>
/// An advisory lock (flock) on a file, exclusive unless shared is asked for. It belongs to the open file, not to the process: two locks in one
/// process exclude each other just as two processes do, and the kernel drops it when its holder dies.
/// </summary>
public sealed class FileLock : IDisposable
{
    private readonly SafeFileHandle _file;

    private FileLock(SafeFileHandle file) => _file = file;

    /// <summary>Creates the file (mode 0600) where it is missing and locks it.</summary>
    /// <param name="path">The lock file. A symbolic link is refused.</param>
    /// <param name="timeout">How long to wait for another holder. Zero tries once, <see cref="Timeout.InfiniteTimeSpan"/> waits for ever.</param>
    /// <param name="shared">Whether other shared holders are let in beside this one.</param>
    /// <returns>The lock, or null when somebody else still held it at the end of <paramref name="timeout"/>.</returns>
    /// <exception cref="IOException">The file cannot be opened or locked.</exception>
    /// <exception cref="UnauthorizedAccessException">The file cannot be opened for want of permission.</exception>
    public static FileLock? TryAcquire(string path, TimeSpan timeout, bool shared = false)
    {
        var started = Stopwatch.GetTimestamp();
        var pause = 1;
        while (true)
        {
            var file = PrivateFile.OpenOrCreate(path);
            try
            {
                while (!FileCalls.TryLock(file, path, shared))
                {
                    var waited = Stopwatch.GetElapsedTime(started);
                    if (timeout != Timeout.InfiniteTimeSpan && waited >= timeout)
                    {
                        return null;
                    }

                    FileCalls.Pause(pause);
                    // Holders need a few milliseconds; beyond 16 a waiter only adds latency to a busy host.
                    pause = Math.Min(pause * 2, 16);
                }

                // Whoever held it may have removed the store: a lock on a file without a name excludes nobody.
                if (FileCalls.Stat(path) is { } named && named.IsSameFileAs(FileCalls.Stat(file, path)))
                {
                    var taken = new FileLock(file);
                    file = null;
                    return taken;
                }
            }
            finally
            {
                file?.Dispose();
            }
        }
    }

    /// <summary>Releases the lock. The file stays.</summary>
    public void Dispose()
    {
        if (!_file.IsClosed)
        {
            // Not left to close(2): a child forked by another thread of the host program shares the open file.
            FileCalls.Unlock(_file);
            _file.Dispose();
        }
    }
}

/// <summary>Files of a private directory: never reached through a symbolic link, not inherited by children, mode 0600.</summary>
public static class PrivateFile
{
    /// <summary>Opens a regular file for reading.</summary>
    /// <returns>The handle, or null when there is no such file.</returns>
    /// <exception cref="NotRegularFileException">A symbolic link, a directory or something else that is not a file.</exception>
    /// <exception cref="IOException">Any other failure of open(2).</exception>
    /// <exception cref="UnauthorizedAccessException">Permission is missing.</exception>
    public static SafeFileHandle? OpenRead(string path)
    {
        // O_NONBLOCK, or the open of a FIFO would wait for a writer.
        var file = FileCalls.Open(path, FileCalls.ReadOnly | FileCalls.NonBlocking, missingIsNull: true);
        return file is null ? null : Checked(file, path);
    }

    /// <summary>Creates a file that must not exist yet, open for writing.</summary>
    /// <exception cref="IOException">It exists, or any other failure of open(2).</exception>
    /// <exception cref="UnauthorizedAccessException">Permission is missing.</exception>
    public static SafeFileHandle Create(string path)
    {
        var file = FileCalls.Open(path, FileCalls.WriteOnly | FileCalls.CreateFile | FileCalls.Exclusive)!;
        return FileCalls.Restricted(file, path);
    }

    /// <summary>
    /// Opens a file to write at its end, creates it where it is missing (mode 0640 less the umask). A character device will do, too: the
    /// null device keeps nothing.
    /// </summary>
    /// <exception cref="NotRegularFileException">A symbolic link, a directory, a fifo or something else.</exception>
    /// <exception cref="IOException">Any other failure of open(2), a fifo without a reader among them.</exception>
    /// <exception cref="UnauthorizedAccessException">Permission is missing.</exception>
    public static SafeFileHandle OpenAppend(string path)
    {
        const uint GroupReads = 0b110_100_000; // 0640
        const int Flags = FileCalls.WriteOnly | FileCalls.CreateFile | FileCalls.Append | FileCalls.NonBlocking | FileCalls.NoTerminal;
        var file = FileCalls.Open(path, Flags, mode: GroupReads)!;
        return Checked(file, path, devices: true);
    }

    internal static SafeFileHandle OpenOrCreate(string path)
    {
        var file = FileCalls.Open(path, FileCalls.ReadWrite | FileCalls.CreateFile | FileCalls.NonBlocking)!;
        return FileCalls.Restricted(Checked(file, path), path);
    }

    private static SafeFileHandle Checked(SafeFileHandle file, string path, bool devices = false)
    {
        try
        {
            var found = FileCalls.Stat(file, path);
            return found.IsRegularFile || (devices && found.IsCharacterDevice) ? file : throw new NotRegularFileException($"{path}: not a regular file");
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}

/// <summary>What stands at a path is not a regular file.</summary>
public sealed class NotRegularFileException(string message) : IOException(message);

/// <summary>What is known about a directory entry without following a symbolic link.</summary>
/// <param name="Mode">File type and permissions, as st_mode.</param>
/// <param name="Owner">User id.</param>
/// <param name="Device">Major number in the upper, minor number in the lower half.</param>
/// <param name="Inode">Unique on the device.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Changed">When content, name or mode last changed (ctime), nanoseconds since 1970.</param>
public readonly record struct FileFacts(ushort Mode, uint Owner, ulong Device, ulong Inode, ulong Size, long Changed)
{
    private const ushort TypeMask = 0xf000; // S_IFMT

    public bool IsDirectory => (Mode & TypeMask) == 0x4000;

    public bool IsRegularFile => (Mode & TypeMask) == 0x8000;

    public bool IsSymbolicLink => (Mode & TypeMask) == 0xa000;

    public bool IsCharacterDevice => (Mode & TypeMask) == 0x2000;

    public bool IsSocket => (Mode & TypeMask) == 0xc000;

    /// <summary>Whether group or others may write.</summary>
    public bool IsWritableByOthers => (Mode & 0b010_010) != 0;

    /// <summary>Whether anybody may remove or rename an entry of this directory, whoever owns the entry.</summary>
    public bool IsOpenToAll => (Mode & 0b1_000_000_010) == 0b10;

    /// <summary>The permission bits, 0 to 0xfff.</summary>
    public int Permissions => Mode & 0xfff;

    public bool IsSameFileAs(FileFacts other) => Device == other.Device && Inode == other.Inode;

    /// <summary>Looks at a path; a symbolic link is reported, not followed.</summary>
    /// <returns>The facts, or null when nothing is there.</returns>
    /// <exception cref="IOException">Any other failure of statx(2).</exception>
    /// <exception cref="UnauthorizedAccessException">Permission is missing.</exception>
    public static FileFacts? Read(string path) => FileCalls.Stat(path);

    /// <summary>The effective user id of this process.</summary>
    public static uint CurrentUser => FileCalls.CurrentUser();

    /// <summary>Whether a process with this id exists, ours or not.</summary>
    public static bool ProcessExists(int pid) => FileCalls.ProcessExists(pid);

    /// <summary>Creates a directory whose permissions are exactly <paramref name="mode"/> whatever the umask is.</summary>
    /// <returns>False when something of that name exists.</returns>
    /// <exception cref="IOException">Any other failure.</exception>
    /// <exception cref="UnauthorizedAccessException">Permission is missing.</exception>
    public static bool TryCreateDirectory(string path, UnixFileMode mode) => FileCalls.TryMakeDirectory(path, (uint)mode);
}

/// <summary>The libc calls behind the types above, with errors turned into exceptions that name the path.</summary>
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
    private static partial int chmod(string path, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, out StatxResult result);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(SafeFileHandle file, int operation);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(nint descriptors, nuint count, int milliseconds);

    [LibraryImport("libc", SetLastError = true)]
    private static partial uint geteuid();

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int pid, int signal);
}
