using System.Runtime.InteropServices;

namespace CniIsolator.Linux;

/// <summary>How reading a file that the kernel makes has ended.</summary>
public enum ReadOutcome
{
    /// <summary>The content is there.</summary>
    Read,

    /// <summary>There is no such file, or the object that it tells of is gone.</summary>
    Absent,

    /// <summary>It is there and cannot be read: a permission, or a fault of the kernel's.</summary>
    Failed,
}

/// <summary>
/// A directory of small files that the kernel makes, such as a cgroup or /proc/PID. While it is held all files are those of one object, whatever
/// comes to stand at the path meanwhile. Reading allocates nothing and throws nothing.
/// </summary>
public readonly unsafe ref struct KernelDirectory
{
    private readonly int _descriptor;

    private KernelDirectory(int descriptor) => _descriptor = descriptor;

    /// <summary>Holds the directory at a path, if there is one.</summary>
    public static ReadOutcome Open(string path, out KernelDirectory directory)
    {
        var descriptor = Libc.Open(path, Libc.OpenPathOnly | Libc.OpenCloseOnExec, 0);
        directory = new KernelDirectory(descriptor);
        return descriptor >= 0 ? ReadOutcome.Read : Outcome();
    }

    /// <summary>
    /// Reads a file; what does not fit into the buffer is left out. One read(2) gets all of a file that the kernel shows in one piece, as it does those of cgroups
    /// (kernfs_seq_start in fs/kernfs/file.c) and most small ones of /proc (single_open in fs/seq_file.c). It is not for lists that come in pieces, such as maps.
    /// </summary>
    /// <param name="name">Its name, a UTF-8 literal: the compiler puts a NUL behind those, which the kernel needs.</param>
    /// <param name="buffer">Where the content goes.</param>
    /// <param name="content">The part of the buffer that was filled.</param>
    public ReadOutcome Read(ReadOnlySpan<byte> name, Span<byte> buffer, out ReadOnlySpan<byte> content)
    {
        content = default;
        int file;
        fixed (byte* pointer = name)
        {
            file = Libc.OpenAt(_descriptor, pointer, Libc.OpenReadOnly | Libc.OpenCloseOnExec | Libc.OpenNonBlocking, 0);
        }

        if (file < 0)
        {
            return Outcome();
        }

        nint count;
        fixed (byte* pointer = buffer)
        {
            do
            {
                count = Libc.Read(file, pointer, buffer.Length);
            }
            while (count < 0 && (Errno)Marshal.GetLastPInvokeError() == Errno.Interrupted);
        }

        var outcome = count < 0 ? Outcome() : ReadOutcome.Read;
        _ = Libc.Close(file);
        content = count < 0 ? default : buffer[..(int)count];
        return outcome;
    }

    public void Dispose()
    {
        if (_descriptor >= 0)
        {
            _ = Libc.Close(_descriptor);
        }
    }

    // A cgroup that is removed while its file is open answers ENODEV, a process that ends ESRCH; EOPNOTSUPP is a file for which its filesystem has no use now.
    private static ReadOutcome Outcome() => (Errno)Marshal.GetLastPInvokeError()
        is Errno.NoEntry or Errno.NoSuchProcess or Errno.NoSuchDevice or Errno.NotDirectory or Errno.NotSupported
        ? ReadOutcome.Absent
        : ReadOutcome.Failed;
}
