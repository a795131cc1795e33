using CniIsolator.Linux;

namespace CniIsolator.Exporter.Kubernetes;

/// <summary>
/// Puts a file in the place of another in one step: whoever opens or executes the path finds the old file or the new one, whole. A program that is
/// being executed cannot be written to (ETXTBSY), and need not be: its old file lives until its last process ends.
/// </summary>
internal static class FileReplacement
{
    /// <summary>rwxr-xr-x.</summary>
    public const UnixFileMode Program = (UnixFileMode)0b111_101_101;

    /// <summary>rw-r--r--.</summary>
    public const UnixFileMode Data = (UnixFileMode)0b110_100_100;

    private const UnixFileMode Permissions = (UnixFileMode)0b111_111_111_111;

    /// <summary>Whether the target is a regular file of this content and mode.</summary>
    /// <exception cref="IOException">One of them cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">Permission is missing.</exception>
    public static bool IsInPlace(string source, string target, UnixFileMode mode) =>
        FileFacts.Read(target) is { IsRegularFile: true } facts && ((UnixFileMode)facts.Mode & Permissions) == mode && HaveSameContent(source, target);

    /// <summary>Whether both are there and have the same bytes.</summary>
    /// <exception cref="IOException">One of them cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">Permission is missing.</exception>
    public static bool HaveSameContent(string one, string other)
    {
        using var first = File.OpenHandle(one);
        using var second = File.OpenHandle(other);
        if (RandomAccess.GetLength(first) != RandomAccess.GetLength(second))
        {
            return false;
        }

        var left = new byte[64 * 1024];
        var right = new byte[left.Length];
        for (long offset = 0; ;)
        {
            var read = RandomAccess.Read(first, left, offset);
            if (read == 0)
            {
                return true;
            }

            for (var done = 0; done < read;)
            {
                var more = RandomAccess.Read(second, right.AsSpan(done, read - done), offset + done);
                if (more == 0)
                {
                    return false;
                }

                done += more;
            }

            if (!left.AsSpan(0, read).SequenceEqual(right.AsSpan(0, read)))
            {
                return false;
            }

            offset += read;
        }
    }

    /// <summary>Copies beside the target, waits until the copy is on the disk, and renames it.</summary>
    /// <exception cref="IOException">A step failed; the target is as it was.</exception>
    /// <exception cref="UnauthorizedAccessException">Permission is missing.</exception>
    public static void Copy(string source, string target, UnixFileMode mode)
    {
        // Runtimes take files by their endings (.conf, .conflist, .json): this one is none of theirs.
        // Always the same name, so that one copy at most is left by who was killed.
        var temporary = Path.Combine(Path.GetDirectoryName(target)!, $".{Path.GetFileName(target)}.new");
        File.Delete(temporary);
        using var from = File.OpenHandle(source);
        using (var to = PrivateFile.Create(temporary))
        {
            try
            {
                var buffer = new byte[64 * 1024];
                long offset = 0;
                for (int read; (read = RandomAccess.Read(from, buffer, offset)) > 0; offset += read)
                {
                    RandomAccess.Write(to, buffer.AsSpan(0, read), offset);
                }

                File.SetUnixFileMode(to, mode);
                PrivateFile.Flush(to, temporary);
            }
            catch
            {
                File.Delete(temporary);
                throw;
            }
        }

        try
        {
            // The rename itself may be lost with the power; the next start of the installer repeats it.
            File.Move(temporary, target, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
