using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Linux;

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
    /// Waits until the content is on the disk. RandomAccess.FlushToDisk keeps every failure of it to itself, and some file systems report only here
    /// that the disk is full or broken. One that cannot do it at all (EINVAL) is none.
    /// </summary>
    /// <exception cref="IOException">fsync(2) failed.</exception>
    public static void Flush(SafeFileHandle file, string path) => FileCalls.Flush(file, path);

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

    /// <summary>
    /// Opens a file to lock it, and creates none. On a read-only file system it is opened for reading, which flock(2) is content with.
    /// </summary>
    /// <returns>The handle, or null when there is no such file.</returns>
    internal static SafeFileHandle? OpenToLock(string path)
    {
        try
        {
            return FileCalls.Open(path, FileCalls.ReadWrite | FileCalls.NonBlocking, missingIsNull: true) is { } file
                ? FileCalls.Restricted(Checked(file, path), path)
                : null;
        }
        catch (IOException e) when (FileCalls.IsUnwritable(e))
        {
            return OpenRead(path);
        }
    }

    /// <summary>Creates a file to lock, or opens the one that has been created in the meantime.</summary>
    internal static SafeFileHandle OpenOrCreate(string path)
    {
        var file = FileCalls.Open(path, FileCalls.ReadWrite | FileCalls.CreateFile | FileCalls.NonBlocking)!;
        return FileCalls.Restricted(Checked(file, path), path);
    }

    /// <summary>Opens a directory, to lock it.</summary>
    /// <exception cref="DirectoryNotFoundException">There is none.</exception>
    internal static SafeFileHandle OpenDirectory(string path)
    {
        var directory = FileCalls.Open(path, FileCalls.ReadOnly | FileCalls.NonBlocking)!;
        if (FileCalls.Stat(directory, path).IsDirectory)
        {
            return directory;
        }

        directory.Dispose();
        throw new DirectoryNotFoundException($"{path}: not a directory");
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
