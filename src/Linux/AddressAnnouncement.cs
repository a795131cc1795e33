using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace CniIsolator.Linux;

/// <summary>
/// Tells the neighbours on a link at which MAC an IPv4 address is now: an ARP announcement, RFC 5227 section 2.3. Those that know another MAC
/// of the address take this one; those that know none learn nothing.
/// </summary>
public static unsafe partial class AddressAnnouncement
{
    private const int FamilyPacket = 17; // AF_PACKET
    private const int TypeRaw = 3; // SOCK_RAW
    private const int TypeCloseOnExec = 0x80000; // SOCK_CLOEXEC
    private const int MacSize = 6; // ETH_ALEN
    private const int AddressSize = 4;
    private const int FrameSize = 42;

    /// <summary>Sends one announcement out of an interface of the calling thread's namespace.</summary>
    /// <param name="interfaceIndex">The interface, above 0; it must be up.</param>
    /// <param name="mac">6 bytes: where the address is.</param>
    /// <param name="address">4 bytes, as on the wire.</param>
    /// <exception cref="ArgumentException">The MAC or the address has another length.</exception>
    /// <exception cref="LinuxException">There is no such interface, it is down, or its queue is full; or the caller may not send frames.</exception>
    public static void Send(int interfaceIndex, ReadOnlySpan<byte> mac, ReadOnlySpan<byte> address)
    {
        Span<byte> frame = stackalloc byte[FrameSize];
        Write(frame, mac, address);
        var link = new LinkLayerAddress
        {
            Family = FamilyPacket,
            Protocol = BitConverter.IsLittleEndian ? (ushort)0x0608 : (ushort)0x0806, // ETH_P_ARP, on the wire's order
            Index = interfaceIndex,
            AddressLength = MacSize,
        };
        new Span<byte>(link.Address, MacSize).Fill(byte.MaxValue);

        // Protocol 0: a socket that receives nothing.
        var descriptor = Socket(FamilyPacket, TypeRaw | TypeCloseOnExec, 0);
        if (descriptor < 0)
        {
            throw LinuxException.FromLastError("open a socket for frames");
        }

        using var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        fixed (byte* start = frame)
        {
            if (SendTo(descriptor, start, FrameSize, 0, &link, sizeof(LinkLayerAddress)) < 0)
            {
                throw LinuxException.FromLastError($"announce an address on interface {interfaceIndex}");
            }
        }
    }

    private static void Write(Span<byte> frame, ReadOnlySpan<byte> mac, ReadOnlySpan<byte> address)
    {
        if (mac.Length != MacSize || address.Length != AddressSize)
        {
            throw new ArgumentException($"a MAC of {mac.Length} bytes, an address of {address.Length}: not {MacSize} and {AddressSize}");
        }

        // To everybody, from the MAC; ARP of IPv4 on Ethernet, a request.
        ReadOnlySpan<byte> header = [0x08, 0x06, 0x00, 0x01, 0x08, 0x00, MacSize, AddressSize, 0x00, 0x01];
        frame[..MacSize].Fill(0xff);
        mac.CopyTo(frame[6..]);
        header.CopyTo(frame[12..]);

        // Sender and target have the same address; whose MAC is asked for is zero, since nobody should answer.
        mac.CopyTo(frame[22..]);
        address.CopyTo(frame[28..]);
        frame[32..38].Clear();
        address.CopyTo(frame[38..]);
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int Socket(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "sendto", SetLastError = true)]
    private static partial nint SendTo(int descriptor, byte* buffer, nint count, int flags, LinkLayerAddress* to, int size);
}

/// <summary>struct sockaddr_ll of linux/if_packet.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct LinkLayerAddress
{
    public ushort Family; // sll_family
    public ushort Protocol; // sll_protocol, in the wire's order
    public int Index; // sll_ifindex
    public ushort HardwareType; // sll_hatype
    public byte PacketType; // sll_pkttype
    public byte AddressLength; // sll_halen
    public fixed byte Address[8]; // sll_addr
}
