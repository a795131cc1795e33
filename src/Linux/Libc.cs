using System.Runtime.InteropServices;

namespace CniIsolator.Linux;

/// <summary>The libc calls in use. Every one that sets errno is declared so that the runtime keeps it.</summary>
internal static unsafe partial class Libc
{
    public const int OpenReadOnly = 0; // O_RDONLY
    public const int OpenWriteOnly = 1; // O_WRONLY
    public const int OpenNonBlocking = 0x800; // O_NONBLOCK
    public const int OpenCloseOnExec = 0x80000; // O_CLOEXEC
    public const int OpenPathOnly = 0x200000; // O_PATH

    public const int GetDescriptorFlags = 1; // F_GETFD
    public const int FileSizeExceeded = 25; // SIGXFSZ
    public const nint IgnoreSignal = 1; // SIG_IGN

    public const int CloneNewNetwork = 0x40000000; // CLONE_NEWNET
    public const ulong GetNamespaceType = 0xb703; // NS_GET_NSTYPE
    public const long NamespaceFilesystemMagic = 0x6e736673; // NSFS_MAGIC
    public const long ProcFilesystemMagic = 0x9fa0; // PROC_SUPER_MAGIC

    public const int AtCurrentDirectory = -100; // AT_FDCWD
    public const int AtEmptyPath = 0x1000; // AT_EMPTY_PATH
    public const uint StatxInode = 0x100; // STATX_INO
    public const int StatxSize = 256; // sizeof(struct statx)
    public const int StatxInodeOffset = 32; // offsetof(struct statx, stx_ino)
    public const int StatxDeviceOffset = 136; // offsetof(struct statx, stx_dev_major)

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    public static partial int OpenAt(int directory, byte* path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int descriptor, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    public static partial nint ReadAt(int descriptor, byte* buffer, nint count, long offset);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static partial nint Write(int descriptor, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int IoControl(int descriptor, ulong request, nint argument);

    [LibraryImport("libc", EntryPoint = "fstatfs", SetLastError = true)]
    public static partial int FileSystemStatus(int descriptor, byte* buffer);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Statx(int directory, string path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    public static partial int SetNamespace(int descriptor, int type);

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    public static partial int Unshare(int flags);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int Control(int descriptor, int command, nint argument);

    [LibraryImport("libc", EntryPoint = "signal")]
    public static partial nint Signal(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "umask")]
    public static partial int Umask(int mask);
}
