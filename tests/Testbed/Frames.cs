using System.Buffers.Binary;
using System.Net;

namespace CniIsolator.Testbed;

/// <summary>Builds frames byte by byte, with right checksums.</summary>
public static class Frames
{
    public const ushort EtherTypeIPv4 = 0x0800;
    public const ushort EtherTypeArp = 0x0806;
    public const byte ProtocolIcmp = 1;
    public const byte ProtocolTcp = 6;
    public const byte ProtocolUdp = 17;
    public const byte TcpSynFlag = 2;
    public const byte TcpAckFlag = 16;

    /// <summary>An Ethernet frame; short ones are padded by whoever sends them.</summary>
    public static byte[] Ethernet(MacAddress destination, MacAddress source, ushort etherType, ReadOnlySpan<byte> payload)
    {
        byte[] frame = new byte[14 + payload.Length];
        destination.Write(frame);
        source.Write(frame.AsSpan(6));
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), etherType);
        payload.CopyTo(frame.AsSpan(14));
        return frame;
    }

    /// <summary>An IPv4 packet. The options are padded to whole words; the fragment offset counts bytes, a multiple of 8.</summary>
    public static byte[] IPv4(IPAddress source, IPAddress destination, byte protocol, ReadOnlySpan<byte> payload, byte[]? options = null,
        ushort id = 0, int fragmentOffset = 0, bool moreFragments = false, bool doNotFragment = false, byte ttl = 64)
    {
        int header = 20 + (((options?.Length ?? 0) + 3) & ~3);
        byte[] packet = new byte[header + payload.Length];
        packet[0] = (byte)(0x40 | (header / 4));
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), id);
        int flags = (doNotFragment ? 0x4000 : 0) | (moreFragments ? 0x2000 : 0) | (fragmentOffset / 8);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(6), (ushort)flags);
        packet[8] = ttl;
        packet[9] = protocol;
        source.TryWriteBytes(packet.AsSpan(12), out _);
        destination.TryWriteBytes(packet.AsSpan(16), out _);
        options?.CopyTo(packet, 20);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), Checksum(packet.AsSpan(0, header)));
        payload.CopyTo(packet.AsSpan(header));
        return packet;
    }

    /// <summary>An IPv4 packet with a UDP datagram, or with the first part of one if `moreFragments` is set later by <see cref="Fragments"/>.</summary>
    public static byte[] Udp(IPEndPoint source, IPEndPoint destination, ReadOnlySpan<byte> payload, byte[]? options = null, byte ttl = 64, ushort id = 0)
    {
        byte[] datagram = new byte[8 + payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(datagram, (ushort)source.Port);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(2), (ushort)destination.Port);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(4), (ushort)datagram.Length);
        payload.CopyTo(datagram.AsSpan(8));
        ushort sum = TransportChecksum(source.Address, destination.Address, ProtocolUdp, datagram);
        BinaryPrimitives.WriteUInt16BigEndian(datagram.AsSpan(6), sum == 0 ? (ushort)0xffff : sum);
        return IPv4(source.Address, destination.Address, ProtocolUdp, datagram, options, id: id, ttl: ttl);
    }

    /// <summary>An IPv4 packet with a TCP segment, by default a SYN with nothing in it.</summary>
    public static byte[] Tcp(IPEndPoint source, IPEndPoint destination, uint sequence = 1, uint acknowledgment = 0, byte flags = TcpSynFlag,
        byte[]? payload = null, byte[]? options = null)
    {
        byte[] segment = new byte[20 + (payload?.Length ?? 0)];
        BinaryPrimitives.WriteUInt16BigEndian(segment, (ushort)source.Port);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(2), (ushort)destination.Port);
        BinaryPrimitives.WriteUInt32BigEndian(segment.AsSpan(4), sequence);
        BinaryPrimitives.WriteUInt32BigEndian(segment.AsSpan(8), acknowledgment);
        segment[12] = 5 << 4;
        segment[13] = flags;
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(14), 64240);
        payload?.CopyTo(segment, 20);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(16), TransportChecksum(source.Address, destination.Address, ProtocolTcp, segment));
        return IPv4(source.Address, destination.Address, ProtocolTcp, segment, options);
    }

    /// <summary>An ICMP echo message (type 8 asks, 0 answers), without an IP header.</summary>
    public static byte[] IcmpEcho(byte type, ushort id, ushort sequence, ReadOnlySpan<byte> payload) =>
        Icmp(type, 0, ((uint)id << 16) | sequence, payload);

    /// <summary>
    /// An ICMP error (types 3, 11, 12), without an IP header, about the packet given: of it the header and the first 8 bytes are embedded.
    /// `rest` is the second word: the next hop's MTU for type 3 code 4, the pointer for type 12.
    /// </summary>
    public static byte[] IcmpError(byte type, byte code, ReadOnlySpan<byte> offender, uint rest = 0)
    {
        int embedded = Math.Min(offender.Length, ((offender[0] & 15) * 4) + 8);
        return Icmp(type, code, rest, offender[..embedded]);
    }

    /// <summary>Any ICMP message, without an IP header.</summary>
    public static byte[] Icmp(byte type, byte code, uint rest, ReadOnlySpan<byte> payload)
    {
        byte[] message = new byte[8 + payload.Length];
        message[0] = type;
        message[1] = code;
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(4), rest);
        payload.CopyTo(message.AsSpan(8));
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(2), Checksum(message));
        return message;
    }

    /// <summary>An ARP packet: operation 1 asks, 2 answers.</summary>
    public static byte[] Arp(ushort operation, MacAddress senderMac, IPAddress sender, MacAddress targetMac, IPAddress target)
    {
        byte[] packet = new byte[28];
        packet[1] = 1;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), EtherTypeIPv4);
        packet[4] = 6;
        packet[5] = 4;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(6), operation);
        senderMac.Write(packet.AsSpan(8));
        sender.TryWriteBytes(packet.AsSpan(14), out _);
        targetMac.Write(packet.AsSpan(18));
        target.TryWriteBytes(packet.AsSpan(24), out _);
        return packet;
    }

    /// <summary>Cuts an IPv4 packet without options into fragments whose payload is at most `size` bytes, a multiple of 8.</summary>
    public static IReadOnlyList<byte[]> Fragments(byte[] packet, int size, ushort id)
    {
        ArgumentNullException.ThrowIfNull(packet);
        FrameView view = new(Ethernet(default, default, EtherTypeIPv4, packet));
        byte[] payload = packet[20..];
        List<byte[]> fragments = [];
        for (int offset = 0; offset < payload.Length; offset += size)
        {
            int length = Math.Min(size, payload.Length - offset);
            fragments.Add(IPv4(view.Source!, view.Destination!, view.Protocol, payload.AsSpan(offset, length), null, id, offset,
                moreFragments: offset + length < payload.Length, ttl: packet[8]));
        }

        return fragments;
    }

    /// <summary>The Internet checksum; 0 over data that carries its right checksum.</summary>
    public static ushort Checksum(ReadOnlySpan<byte> data, uint start = 0)
    {
        ulong sum = start;
        for (; data.Length > 1; data = data[2..])
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(data);
        }

        sum += data.IsEmpty ? 0u : (uint)data[0] << 8;
        while (sum > 0xffff)
        {
            sum = (sum & 0xffff) + (sum >> 16);
        }

        return (ushort)~sum;
    }

    private static ushort TransportChecksum(IPAddress source, IPAddress destination, byte protocol, ReadOnlySpan<byte> data)
    {
        uint sum = protocol + (uint)data.Length;
        Span<byte> addresses = stackalloc byte[8];
        source.TryWriteBytes(addresses, out _);
        destination.TryWriteBytes(addresses[4..], out _);
        for (int index = 0; index < 8; index += 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(addresses[index..]);
        }

        return Checksum(data, sum);
    }
}
