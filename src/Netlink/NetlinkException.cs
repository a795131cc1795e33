using System.Runtime.InteropServices;
using CniIsolator.Linux;

namespace CniIsolator.Netlink;

/// <summary>The kernel refused a message: what was asked, the errno, and the kernel's own words (extended ack) if it had any.</summary>
public sealed class NetlinkException : IOException
{
    public NetlinkException(string operation, Errno errno, string? kernelText = null)
        : base(Compose(operation, errno, kernelText))
    {
        Operation = operation;
        Errno = errno;
        KernelText = kernelText;
    }

    public string Operation { get; }

    public Errno Errno { get; }

    public string? KernelText { get; }

    private static string Compose(string operation, Errno errno, string? kernelText) =>
        $"{operation}: {Marshal.GetPInvokeErrorMessage((int)errno)} (errno {(int)errno})"
        + (string.IsNullOrEmpty(kernelText) ? "" : $": {kernelText}");
}

/// <summary>Bytes that do not follow the netlink protocol.</summary>
public sealed class NetlinkProtocolException(string message) : IOException($"netlink: {message}");
