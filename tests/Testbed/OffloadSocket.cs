using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;

namespace CniIsolator.Testbed;

/// <summary>What a sender leaves to others: struct virtio_net_hdr of linux/virtio_net.h.</summary>
/// <param name="ChecksumStart">From where on the checksum is computed, in bytes of the frame.</param>
/// <param name="ChecksumOffset">Where it goes, counted from there.</param>
/// <param name="Segmentation">0 for one packet, 1 for TCP, 5 for UDP.</param>
/// <param name="SegmentSize">Bytes of payload in each segment.</param>
/// <param name="HeaderLength">Bytes of the frame that each segment begins with.</param>
public sealed record Offload(int ChecksumStart, int ChecksumOffset, byte Segmentation = 0, int SegmentSize = 0, int HeaderLength = 0);

/// <summary>A packet socket with PACKET_VNET_HDR, which sends frames that are not finished.</summary>
public sealed class OffloadSocket : IDisposable
{
    private const int PacketVirtioHeader = 15; // PACKET_VNET_HDR
    private const int HeaderSize = 10;
    private const byte NeedsChecksum = 1; // VIRTIO_NET_HDR_F_NEEDS_CSUM

    private readonly int _socket;

    private OffloadSocket(int socket) => _socket = socket;

    public static OffloadSocket Open(Namespace place, string device)
    {
        ArgumentNullException.ThrowIfNull(place);
        return place.Run(() =>
        {
            int socket = Native.Check(Native.Socket(Native.AddressFamilyPacket, Native.SocketRawCloseOnExec, 0), "socket(AF_PACKET)");
            Native.Check(Native.SetSocketOption(socket, Native.SolPacket, PacketVirtioHeader, 1, sizeof(int)), "PACKET_VNET_HDR");
            Native.LinkAddress address = new()
            {
                Family = Native.AddressFamilyPacket,
                Protocol = Frames.EtherTypeIPv4 >> 8,
                Index = Native.InterfaceIndex(device),
            };
            Native.Check(Native.Bind(socket, address, Marshal.SizeOf<Native.LinkAddress>()), $"bind to {device}");
            return new OffloadSocket(socket);
        });
    }

    /// <summary>Sends a frame; false where the kernel refuses what is to be done with it.</summary>
    public bool TrySend(byte[] frame, Offload offload)
    {
        ArgumentNullException.ThrowIfNull(offload);
        byte[] data = new byte[HeaderSize + frame.Length];
        data[0] = NeedsChecksum;
        data[1] = offload.Segmentation;
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(2), (ushort)offload.HeaderLength);
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(4), (ushort)offload.SegmentSize);
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(6), (ushort)offload.ChecksumStart);
        BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(8), (ushort)offload.ChecksumOffset);
        frame.CopyTo(data, HeaderSize);
        if (Native.Send(_socket, data, data.Length, 0) >= 0)
        {
            return true;
        }

        const int InvalidArgument = 22;
        const int MessageTooLong = 90;
        const int OutOfMemory = 12; // what the device cannot do and the kernel cannot do for it
        const int NoBufferSpace = 105; // dropped by the device's queue
        int error = Marshal.GetLastPInvokeError();
        return error is InvalidArgument or MessageTooLong or OutOfMemory or NoBufferSpace ? false : throw new Win32Exception(error, $"send of {offload}: errno {error}");
    }

    public void Dispose() => _ = Native.Close(_socket);
}
