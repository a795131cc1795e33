using System.Runtime.InteropServices;
using CniIsolator.Linux;
using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Netlink.Protocol;

/// <summary>A netlink socket. It belongs for ever to the network namespace of the thread that opened it.</summary>
public sealed unsafe partial class NetlinkSocket : INetlinkTransport
{
    private const int AddressFamilyNetlink = 16; // AF_NETLINK
    private const int TypeRaw = 3; // SOCK_RAW
    private const int TypeCloseOnExec = 0x80000; // SOCK_CLOEXEC
    private const int LevelSocket = 1; // SOL_SOCKET
    private const int ReceiveBufferForce = 33; // SO_RCVBUFFORCE
    private const int LevelNetlink = 270; // SOL_NETLINK
    private const int CapAcknowledgement = 10; // NETLINK_CAP_ACK
    private const int ExtendedAcknowledgement = 11; // NETLINK_EXT_ACK
    private const int StrictCheck = 12; // NETLINK_GET_STRICT_CHK
    private const int MessageTruncated = 0x20; // MSG_TRUNC

    // Answers to a batch of thousands of failing messages must fit, or the kernel drops some of them.
    private const int ReceiveBufferBytes = 8 * 1024 * 1024;

    private readonly SafeFileHandle _handle;

    private NetlinkSocket(SafeFileHandle handle, uint portId)
    {
        _handle = handle;
        PortId = portId;
    }

    public uint PortId { get; }

    private int Descriptor
    {
        get
        {
            ObjectDisposedException.ThrowIf(_handle.IsClosed, this); // The number may have been given to another file.
            return (int)_handle.DangerousGetHandle();
        }
    }

    public static NetlinkSocket Open(NetlinkFamily family)
    {
        var descriptor = Socket(AddressFamilyNetlink, TypeRaw | TypeCloseOnExec, (int)family);
        if (descriptor < 0)
        {
            throw LinuxException.FromLastError($"open a netlink socket ({family})");
        }

        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        try
        {
            // All optional: kernels without them answer in fewer words, or keep smaller buffers.
            SetOption(descriptor, LevelNetlink, CapAcknowledgement, 1);
            SetOption(descriptor, LevelNetlink, ExtendedAcknowledgement, 1);
            SetOption(descriptor, LevelNetlink, StrictCheck, 1);
            SetOption(descriptor, LevelSocket, ReceiveBufferForce, ReceiveBufferBytes);

            var address = new NetlinkAddress { Family = AddressFamilyNetlink };
            var length = sizeof(NetlinkAddress);
            if (Bind(descriptor, &address, length) != 0 || GetSocketName(descriptor, &address, &length) != 0)
            {
                throw LinuxException.FromLastError("bind a netlink socket");
            }

            return new NetlinkSocket(handle, address.PortId);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    public void Send(ReadOnlySpan<byte> datagram)
    {
        var kernel = new NetlinkAddress { Family = AddressFamilyNetlink };
        fixed (byte* bytes = datagram)
        {
            nint sent;
            do
            {
                sent = SendTo(Descriptor, bytes, datagram.Length, 0, &kernel, sizeof(NetlinkAddress));
            }
            while (sent < 0 && (Errno)Marshal.GetLastPInvokeError() == Errno.Interrupted);

            if (sent < 0)
            {
                throw LinuxException.FromLastError("send to netlink");
            }

            if (sent != datagram.Length)
            {
                throw new NetlinkProtocolException($"{sent} of {datagram.Length} bytes were sent");
            }
        }
    }

    public int Receive(Span<byte> buffer, out uint senderPortId)
    {
        fixed (byte* bytes = buffer)
        {
            while (true)
            {
                NetlinkAddress sender = default;
                var length = sizeof(NetlinkAddress);
                var received = ReceiveFrom(Descriptor, bytes, buffer.Length, MessageTruncated, &sender, &length);
                if (received < 0)
                {
                    if ((Errno)Marshal.GetLastPInvokeError() == Errno.Interrupted)
                    {
                        continue;
                    }

                    throw LinuxException.FromLastError("receive from netlink");
                }

                if (received > buffer.Length)
                {
                    throw new NetlinkProtocolException($"a datagram of {received} bytes for a buffer of {buffer.Length}");
                }

                senderPortId = sender.PortId;
                return (int)received;
            }
        }
    }

    public void Dispose() => _handle.Dispose();

    private static void SetOption(int descriptor, int level, int option, int value) =>
        _ = SetSocketOption(descriptor, level, option, &value, sizeof(int));

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int Socket(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    private static partial int Bind(int descriptor, NetlinkAddress* address, int length);

    [LibraryImport("libc", EntryPoint = "getsockname", SetLastError = true)]
    private static partial int GetSocketName(int descriptor, NetlinkAddress* address, int* length);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    private static partial int SetSocketOption(int descriptor, int level, int option, void* value, int length);

    [LibraryImport("libc", EntryPoint = "sendto", SetLastError = true)]
    private static partial nint SendTo(int descriptor, byte* bytes, nint count, int flags, NetlinkAddress* address, int length);

    [LibraryImport("libc", EntryPoint = "recvfrom", SetLastError = true)]
    private static partial nint ReceiveFrom(int descriptor, byte* bytes, nint count, int flags, NetlinkAddress* address, int* length);
}

/// <summary>struct sockaddr_nl of linux/netlink.h.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct NetlinkAddress
{
    public ushort Family; // nl_family
    public ushort Padding; // nl_pad
    public uint PortId; // nl_pid
    public uint Groups; // nl_groups
}
