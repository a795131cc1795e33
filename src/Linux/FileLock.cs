using System.Diagnostics;
using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Linux;

/// <summary>
/// An advisory lock (flock) on a file, exclusive unless shared is asked for. It belongs to the open file, not to the process: two locks in one
/// process exclude each other just as two processes do, and the kernel drops it when its holder dies. Where the file is missing and the file
/// system has no room for it, or is read-only, the directory is locked in its place; one holder then excludes every other one, of whatever file.
/// </summary>
public sealed class FileLock : IDisposable
{
    // Somebody else may just be creating a file, which is no reason to call the lock taken.
    private static readonly TimeSpan CreationTime = TimeSpan.FromSeconds(1);

    private readonly SafeFileHandle _file;

    private FileLock(SafeFileHandle file, bool isOfDirectory) => (_file, IsOfDirectory) = (file, isOfDirectory);

    /// <summary>Whether the directory is locked, since there is no file and none can be made. It stands for every lock file in it.</summary>
    public bool IsOfDirectory { get; }

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
        while (true)
        {
            SafeFileHandle file;
            if (PrivateFile.OpenToLock(path) is { } existing)
            {
                file = existing;
            }
            else
            {
                // Created under the directory's lock only: nobody gets the file while somebody else makes do with the directory.
                var directory = Path.GetDirectoryName(Path.GetFullPath(path))!;
                var patience = timeout == Timeout.InfiniteTimeSpan || timeout > CreationTime ? timeout : CreationTime;
                if (Await(PrivateFile.OpenDirectory(directory), directory, shared: false, started, patience) is not { } held)
                {
                    return null;
                }

                if (TryCreate(path, held) is not { } created)
                {
                    return new FileLock(held, isOfDirectory: true);
                }

                FileCalls.Unlock(held);
                held.Dispose();
                file = created;
            }

            if (Await(file, path, shared, started, timeout) is not { } taken)
            {
                return null;
            }

            // Whoever held it may have removed the store: a lock on a file without a name excludes nobody.
            if (HasName(taken, path))
            {
                return new FileLock(taken, isOfDirectory: false);
            }

            taken.Dispose();
        }
    }

    /// <returns>The file; null where its file system has no room for it, or is read-only.</returns>
    private static SafeFileHandle? TryCreate(string path, SafeFileHandle directory)
    {
        try
        {
            return PrivateFile.OpenOrCreate(path);
        }
        catch (IOException e) when (FileCalls.IsUnwritable(e) && HasName(directory, Path.GetDirectoryName(Path.GetFullPath(path))!))
        {
            return null;
        }
        catch
        {
            directory.Dispose();
            throw;
        }
    }

    /// <returns>The same handle once it is locked; null, and the handle is closed, when somebody else held it for too long.</returns>
    private static SafeFileHandle? Await(SafeFileHandle file, string path, bool shared, long started, TimeSpan timeout)
    {
        var pause = 1;
        try
        {
            while (!FileCalls.TryLock(file, path, shared))
            {
                var waited = Stopwatch.GetElapsedTime(started);
                if (timeout != Timeout.InfiniteTimeSpan && waited >= timeout)
                {
                    file.Dispose();
                    return null;
                }

                FileCalls.Pause(pause);
                // Holders need a few milliseconds; beyond 16 a waiter only adds latency to a busy host.
                pause = Math.Min(pause * 2, 16);
            }

            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static bool HasName(SafeFileHandle file, string path)
    {
        try
        {
            return FileCalls.Stat(path) is { } named && named.IsSameFileAs(FileCalls.Stat(file, path));
        }
        catch
        {
            file.Dispose();
            throw;
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
