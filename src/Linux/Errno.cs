namespace CniIsolator.Linux;

/// <summary>Error numbers this project names. Source: asm-generic/errno-base.h and errno.h.</summary>
public enum Errno
{
    None = 0,
    NotPermitted = 1, // EPERM
    NoEntry = 2, // ENOENT
    NoSuchProcess = 3, // ESRCH
    Interrupted = 4, // EINTR
    NoDeviceOrAddress = 6, // ENXIO
    NoSuchDevice = 19, // ENODEV
    BadDescriptor = 9, // EBADF
    TryAgain = 11, // EAGAIN
    OutOfMemory = 12, // ENOMEM
    AccessDenied = 13, // EACCES
    Busy = 16, // EBUSY
    Exists = 17, // EEXIST
    NotDirectory = 20, // ENOTDIR
    Invalid = 22, // EINVAL
    NotTerminal = 25, // ENOTTY
    NoSpace = 28, // ENOSPC
    ReadOnlyFileSystem = 30, // EROFS
    OutOfRange = 34, // ERANGE
    TooManyLinks = 40, // ELOOP
    NotSupported = 95, // EOPNOTSUPP
    AddressNotAvailable = 99, // EADDRNOTAVAIL
    NetworkDown = 100, // ENETDOWN
    NetworkUnreachable = 101, // ENETUNREACH
    NoBufferSpace = 105, // ENOBUFS
    NotConnected = 107, // ENOTCONN
}
