using System.Runtime.InteropServices;

namespace CniIsolator.Linux;

/// <summary>A system call that failed: what was attempted, and the errno.</summary>
public sealed class LinuxException : IOException
{
    public LinuxException(string operation, Errno errno)
        : base($"{operation}: {Marshal.GetPInvokeErrorMessage((int)errno)} (errno {(int)errno})")
    {
        Operation = operation;
        Errno = errno;
    }

    public string Operation { get; }

    public Errno Errno { get; }

    /// <summary>For use right after a call with <c>SetLastError</c>.</summary>
    public static LinuxException FromLastError(string operation) => new(operation, (Errno)Marshal.GetLastPInvokeError());
}
