using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Linux;

/// <summary>An open network namespace: holding it keeps the namespace alive.</summary>
public sealed unsafe class NetworkNamespace : IDisposable
{
    private const string CurrentPath = "/proc/thread-self/ns/net";

    private readonly SafeFileHandle _handle;

    private NetworkNamespace(string path, SafeFileHandle handle, NamespaceIdentity identity)
    {
        Path = path;
        _handle = handle;
        Identity = identity;
    }

    /// <summary>The path as it was given.</summary>
    public string Path { get; }

    public NamespaceIdentity Identity { get; }

    /// <summary>For attributes that name a namespace by descriptor, such as IFLA_NET_NS_FD. Valid until disposal.</summary>
    public int Descriptor
    {
        get
        {
            // The number may by now belong to a file, or to another namespace, that somebody opened since.
            ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
            return (int)_handle.DangerousGetHandle();
        }
    }

    /// <summary>Opens the namespace behind a path such as /run/netns/NAME or /proc/PID/ns/net.</summary>
    /// <exception cref="LinuxException">The path cannot be opened.</exception>
    /// <exception cref="NotANetworkNamespaceException">It can, and is something else.</exception>
    public static NetworkNamespace Open(string path)
    {
        // Non-blocking, because opening a fifo would wait for a writer.
        var descriptor = Libc.Open(path, Libc.OpenReadOnly | Libc.OpenCloseOnExec | Libc.OpenNonBlocking, 0);
        if (descriptor < 0)
        {
            throw LinuxException.FromLastError($"open {path}");
        }

        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        try
        {
            Verify(path, descriptor);
            return new NetworkNamespace(path, handle, Identify(path, descriptor));
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>The namespace of the calling thread.</summary>
    public static NetworkNamespace OpenCurrent() => Open(CurrentPath);

    /// <summary>The identity of the namespace behind a path, or null where there is none.</summary>
    public static NamespaceIdentity? TryIdentify(string path)
    {
        try
        {
            using var opened = Open(path);
            return opened.Identity;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Whether a path leads to the namespace. It is not opened, so that neither a descriptor nor a fifo's writer is needed to tell.</summary>
    public static bool IsAt(string path, NamespaceIdentity identity) => Glance(path) == identity;

    /// <summary>
    /// The identity of what stands at a path, or null where that cannot be looked at. Unlike <see cref="TryIdentify"/> it neither opens the file nor
    /// asks whether it is a namespace: for thousands of paths of /proc, and to be compared with the identity of one that is known.
    /// </summary>
    public static NamespaceIdentity? Glance(string path) => Status(Libc.AtCurrentDirectory, path, 0);

    /// <summary>
    /// Runs <paramref name="action"/> in a fresh network namespace that nobody else sees and that ends with it.
    /// </summary>
    /// <exception cref="LinuxException">No namespace can be made.</exception>
    public static T RunInNew<T>(Func<T> action) => RunOnThread(
        () =>
        {
            if (Libc.Unshare(Libc.CloneNewNetwork) != 0)
            {
                throw LinuxException.FromLastError("unshare the network namespace");
            }
        },
        action);

    /// <summary>
    /// Runs <paramref name="action"/> inside the namespace, on a thread of its own that ends with it:
    /// no thread ever has to find its way back.
    /// </summary>
    public T Run<T>(Func<T> action) => RunOnThread(
        () =>
        {
            if (Libc.SetNamespace(Descriptor, Libc.CloneNewNetwork) != 0)
            {
                throw LinuxException.FromLastError($"setns {Path}");
            }
        },
        action);

    public void Run(Action action) => Run(() =>
    {
        action();
        return true;
    });

    public void Dispose() => _handle.Dispose();

    private static T RunOnThread<T>(Action enter, Func<T> action)
    {
        var result = default(T)!;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(
            () =>
            {
                try
                {
                    enter();
                    result = action();
                }
                catch (Exception e)
                {
                    failure = ExceptionDispatchInfo.Capture(e);
                }
            },
            maxStackSize: 256 * 1024);
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }

    private static void Verify(string path, int descriptor)
    {
        // struct statfs begins with f_type, a long; 256 bytes hold it on every architecture.
        var buffer = stackalloc byte[256];
        if (Libc.FileSystemStatus(descriptor, buffer) != 0)
        {
            throw LinuxException.FromLastError($"fstatfs {path}");
        }

        // Kernels before 3.19 show namespaces as files of procfs, and have no NS_GET_NSTYPE (4.11) either.
        var magic = *(long*)buffer;
        if (magic is not (Libc.NamespaceFilesystemMagic or Libc.ProcFilesystemMagic))
        {
            throw new NotANetworkNamespaceException(path, "it is not a namespace file");
        }

        var type = Libc.IoControl(descriptor, Libc.GetNamespaceType, 0);
        if (type < 0)
        {
            var errno = (Errno)Marshal.GetLastPInvokeError();
            if (errno != Errno.NotTerminal || magic == Libc.ProcFilesystemMagic)
            {
                throw new NotANetworkNamespaceException(path, "it is not a namespace file");
            }
        }
        else if (type != Libc.CloneNewNetwork)
        {
            throw new NotANetworkNamespaceException(path, "it is a namespace of another kind");
        }
    }

    private static NamespaceIdentity Identify(string path, int descriptor) =>
        Status(descriptor, "", Libc.AtEmptyPath) ?? throw LinuxException.FromLastError($"statx {path}");

    private static NamespaceIdentity? Status(int directory, string path, int flags)
    {
        var buffer = stackalloc byte[Libc.StatxSize];
        if (Libc.Statx(directory, path, flags, Libc.StatxInode, buffer) != 0)
        {
            return null;
        }

        return Read(buffer);
    }

    private static NamespaceIdentity Read(byte* buffer)
    {
        var major = *(uint*)(buffer + Libc.StatxDeviceOffset);
        var minor = *(uint*)(buffer + Libc.StatxDeviceOffset + sizeof(uint));
        return new NamespaceIdentity(((ulong)major << 20) | minor, *(ulong*)(buffer + Libc.StatxInodeOffset));
    }
}
