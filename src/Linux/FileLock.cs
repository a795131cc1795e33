using System.Diagnostics;
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
