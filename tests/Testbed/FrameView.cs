using System.Buffers.Binary;
using System.Net;

namespace CniIsolator.Testbed;

/// <summary>The fields of a frame, for predicates. What a frame does not have is null or 0.</summary>
public sealed class FrameView
{
    private readonly byte[] _frame;

    /// <summary>Looks at a frame, from its Ethernet header on.</summary>
    public FrameView(byte[] frame)
    {
        ArgumentNullException.ThrowIfNull(frame);
        _frame = frame;
        if (IsIPv4)
        {
            Source = new IPAddress(frame.AsSpan(26, 4));
            Destination = new IPAddress(frame.AsSpan(30, 4));
        }
        else if (IsArp)
        {
            Source = new IPAddress(frame.AsSpan(28, 4));
            Destination = new IPAddress(frame.AsSpan(38, 4));
        }
    }

    public MacAddress DestinationMac => _frame.Length >= 14 ? MacAddress.Read(_frame) : default;

    public MacAddress SourceMac => _frame.Length >= 14 ? MacAddress.Read(_frame.AsSpan(6)) : default;

    public ushort EtherType => Word(12);

    public bool IsIPv4 => EtherType == Frames.EtherTypeIPv4 && _frame.Length >= 34;

    public bool IsArp => EtherType == Frames.EtherTypeArp && _frame.Length >= 42;

    public bool IsTcp => IsIPv4 && Protocol == Frames.ProtocolTcp;

    public bool IsUdp => IsIPv4 && Protocol == Frames.ProtocolUdp;

    public bool IsIcmp => IsIPv4 && Protocol == Frames.ProtocolIcmp;

    /// <summary>The sender's IPv4 address, also of an ARP packet.</summary>
    public IPAddress? Source { get; }

    /// <summary>The target's IPv4 address, also of an ARP packet.</summary>
    public IPAddress? Destination { get; }

    public ushort ArpOperation => IsArp ? Word(20) : (ushort)0;

    public byte Protocol => IsIPv4 ? _frame[23] : (byte)0;

    public byte Ttl => IsIPv4 ? _frame[22] : (byte)0;

    /// <summary>In bytes.</summary>
    public int FragmentOffset => IsIPv4 ? (Word(20) & 0x1fff) * 8 : 0;

    public bool MoreFragments => IsIPv4 && (Word(20) & 0x2000) != 0;

    /// <summary>TCP or UDP.</summary>
    public int SourcePort => HasPorts ? Word(Layer4) : 0;

    /// <summary>TCP or UDP.</summary>
    public int DestinationPort => HasPorts ? Word(Layer4 + 2) : 0;

    public byte TcpFlags => IsTcp && HasPorts && _frame.Length > Layer4 + 13 ? _frame[Layer4 + 13] : (byte)0;

    /// <summary>-1 if it is no ICMP message.</summary>
    public int IcmpType => IsIcmp && FragmentOffset == 0 && _frame.Length > Layer4 ? _frame[Layer4] : -1;

    /// <summary>-1 if it is no ICMP message.</summary>
    public int IcmpCode => IcmpType >= 0 && _frame.Length > Layer4 + 1 ? _frame[Layer4 + 1] : -1;

    /// <summary>Whether the checksum of the IPv4 header is right.</summary>
    public bool HeaderChecksumOk => IsIPv4 && Frames.Checksum(_frame.AsSpan(14, HeaderLength)) == 0;

    /// <summary>What follows the TCP, UDP or ICMP header, or the IPv4 header of other packets.</summary>
    public ReadOnlySpan<byte> Payload
    {
        get
        {
            int start = Layer4 + (FragmentOffset > 0 ? 0 : Protocol switch
            {
                Frames.ProtocolTcp => _frame.Length > Layer4 + 12 ? _frame[Layer4 + 12] >> 4 << 2 : 20,
                Frames.ProtocolUdp or Frames.ProtocolIcmp => 8,
                _ => 0,
            });
            int end = IsIPv4 ? Math.Min(_frame.Length, 14 + Word(16)) : _frame.Length;
            return start < end ? _frame.AsSpan(start..end) : [];
        }
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        if (IsArp)
        {
            return $"ARP {ArpOperation} {Source} -> {Destination}";
        }

        return !IsIPv4
            ? $"{SourceMac} -> {DestinationMac} type {EtherType:x4}, {_frame.Length} bytes"
            : (IsTcp ? "TCP" : IsUdp ? "UDP" : IsIcmp ? $"ICMP {IcmpType}/{IcmpCode}" : $"protocol {Protocol}")
                + $" {Source}:{SourcePort} -> {Destination}:{DestinationPort}, {_frame.Length} bytes, fragment offset {FragmentOffset}";
    }

    private int HeaderLength => IsIPv4 ? (_frame[14] & 15) * 4 : 0;

    private int Layer4 => 14 + HeaderLength;

    private bool HasPorts => (IsTcp || IsUdp) && FragmentOffset == 0 && _frame.Length >= Layer4 + 4;

    private ushort Word(int offset) => _frame.Length >= offset + 2 ? BinaryPrimitives.ReadUInt16BigEndian(_frame.AsSpan(offset)) : (ushort)0;
}
