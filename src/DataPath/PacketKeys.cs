using CniIsolator.Ipam;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.DataPath;

/// <summary>
/// u32 keys by what they mean. Offsets count from the IPv4 header (RFC 791) or, where a name says so,
/// from the header behind it.
/// </summary>
public static class PacketKeys
{
    public const byte Icmp = 1; // IPPROTO_ICMP

    public const byte EchoReply = 0; // ICMP_ECHOREPLY
    public const byte Unreachable = 3; // ICMP_DEST_UNREACH
    public const byte Echo = 8; // ICMP_ECHO
    public const byte TimeExceeded = 11; // ICMP_TIME_EXCEEDED
    public const byte ParameterProblem = 12; // ICMP_PARAMETERPROB

    /// <summary>
    /// Where an ICMP error has the quoted ports, from the ICMP header on: behind the quoted IPv4 header without options,
    /// see <see cref="PlainQuotedHeader"/>.
    /// </summary>
    public const int QuotedPortsAt = QuotedHeaderAt + 20;

    private const int QuotedHeaderAt = 8;
    private const int QuotedProtocolAt = QuotedHeaderAt + 8;

    /// <summary>The quoted IPv4 header has no options.</summary>
    public static readonly U32Key PlainQuotedHeader = new(0x4500_0000, 0xff00_0000, QuotedHeaderAt, AtNextHeader: true);

    /// <summary>ICMP messages that quote the packet they are about.</summary>
    public static readonly byte[] IcmpErrors = [Unreachable, TimeExceeded, ParameterProblem];

    /// <summary>
    /// The errors that a container may send, behind the IPv4 header. Not that a packet was too large for the next hop (type 3, code 4):
    /// only a router says so, and the receiver would send smaller packets to all containers, as they have one address.
    /// </summary>
    public static readonly U32Key[] ContainerErrors =
    [
        new((uint)Unreachable << 24, 0xfffc_0000, 0, AtNextHeader: true), // codes 0 to 3
        new((uint)Unreachable << 24 | 0x0008_0000, 0xfff8_0000, 0, AtNextHeader: true), // codes 8 to 15
        IcmpType(TimeExceeded, nextHeader: true),
        IcmpType(ParameterProblem, nextHeader: true),
    ];

    /// <summary>IPv4, with a header of at least 20 bytes: of 5 words, of 6 or 7, of 8 to 15.</summary>
    public static readonly U32Key[] SoundHeaders = [new(0x4500_0000, 0xff00_0000, 0), new(0x4600_0000, 0xfe00_0000, 0), new(0x4800_0000, 0xf800_0000, 0)];

    /// <summary>Not a fragment, or the first one, which alone has ports.</summary>
    public static readonly U32Key FirstFragment = new(0, 0x0000_1fff, 4);

    /// <summary>Chooses the bucket by the IPv4 header's protocol.</summary>
    public static U32Link ByProtocol(int table, U32Offset? offset = null) => new(table, 0x00ff_0000, 8, offset);

    public static U32Key Protocol(byte protocol) => new((uint)protocol << 16, 0x00ff_0000, 8);

    public static U32Key Source(InternetAddress address) => new(address.Bits, 0xffff_ffff, 12);

    public static U32Key SourceNet(InternetAddress address, uint mask) => new(address.Bits & mask, mask, 12);

    public static U32Key Destination(InternetAddress address) => new(address.Bits, 0xffff_ffff, 16);

    public static U32Key DestinationNet(InternetAddress address, uint mask) => new(address.Bits & mask, mask, 16);

    /// <summary>The Ethernet source address, in front of the IPv4 or ARP header.</summary>
    public static U32Key[] EthernetSource(MacAddress mac) =>
    [
        new((uint)mac.High << 16 | mac.Low >> 16, 0xffff_ffff, -8),
        new(mac.Low << 16, 0xffff_0000, -4),
    ];

    /// <summary>Source port, behind the IPv4 header.</summary>
    public static U32Key SourcePort(PortRange range, int at = 0, bool nextHeader = false) =>
        new((uint)range.Begin << 16, (uint)range.Mask << 16, at, nextHeader);

    /// <summary>Destination port, behind the IPv4 header.</summary>
    public static U32Key DestinationPort(PortRange range, int at = 0, bool nextHeader = false) =>
        new(range.Begin, range.Mask, at, nextHeader);

    /// <summary>ICMP type, behind the IPv4 header.</summary>
    public static U32Key IcmpType(byte type, bool nextHeader = false) => new((uint)type << 24, 0xff00_0000, 0, nextHeader);

    /// <summary>Destination of the packet that an ICMP error quotes.</summary>
    public static U32Key QuotedDestination(InternetAddress address) => new(address.Bits, 0xffff_ffff, QuotedHeaderAt + 16, AtNextHeader: true);

    /// <summary>Protocol of the packet that an ICMP error quotes.</summary>
    public static U32Key QuotedProtocol(TransportProtocol protocol) =>
        new((uint)protocol << 16, 0x00ff_0000, QuotedProtocolAt, AtNextHeader: true);
}
