using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace CniIsolator.Exporter.Kubernetes;

/// <summary>
/// The few messages of kubelet's device plugin interface, v1beta1, on the wire: protobuf in frames of gRPC. Source: api.proto in
/// k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1, and protobuf's and gRPC's descriptions of their encodings.
/// </summary>
internal static class DeviceMessages
{
    public const string ApiVersion = "v1beta1";

    /// <summary>A byte that says whether it is compressed, and four for the length.</summary>
    public const int FramePrefix = 5;

    /// <summary>Longest message that is taken, bytes; kubelet's longest names each device once.</summary>
    public const int LongestMessage = 256 * 1024;

    private const int LengthDelimited = 2; // wire type LEN

    /// <summary>An empty message: Empty, PreStartContainerResponse, DevicePluginOptions where neither option is wanted.</summary>
    public static byte[] Empty() => Frame([]);

    /// <summary>RegisterRequest.</summary>
    /// <param name="endpoint">Name of our socket in kubelet's directory.</param>
    /// <param name="resource">What pods ask for.</param>
    public static byte[] RegisterRequest(string endpoint, string resource)
    {
        var message = new ArrayBufferWriter<byte>();
        WriteText(message, 1, ApiVersion); // version
        WriteText(message, 2, endpoint); // endpoint
        WriteText(message, 3, resource); // resource_name
        return Frame(message.WrittenSpan);
    }

    /// <summary>ListAndWatchResponse. Devices have numbers and no ports: which slice a pod gets is the plugin's decision, not kubelet's.</summary>
    public static byte[] DeviceList(SliceCount count)
    {
        var message = new ArrayBufferWriter<byte>();
        for (var number = 0; number < count.Total; number++)
        {
            var device = new ArrayBufferWriter<byte>();
            WriteText(device, 1, string.Create(CultureInfo.InvariantCulture, $"slice-{number}")); // ID
            WriteText(device, 2, number < count.Usable ? "Healthy" : "Unhealthy"); // health
            WriteBytes(message, 1, device.WrittenSpan); // devices
        }

        return Frame(message.WrittenSpan);
    }

    /// <summary>AllocateResponse: as many empty container_responses as were asked for, since nothing is to be mounted or set.</summary>
    public static byte[] AllocateResponse(int containers)
    {
        var message = new ArrayBufferWriter<byte>();
        for (var i = 0; i < containers; i++)
        {
            WriteBytes(message, 1, []); // container_responses
        }

        return Frame(message.WrittenSpan);
    }

    /// <summary>How many container_requests an AllocateRequest has; null where it is not one.</summary>
    public static int? CountAllocateRequests(ReadOnlySpan<byte> message)
    {
        var requests = 0;
        while (!message.IsEmpty)
        {
            if (ReadVarint(ref message) is not { } tag || ReadField(ref message, (int)(tag & 7)) is false || tag >> 3 == 0)
            {
                return null;
            }

            requests += tag == ((1 << 3) | LengthDelimited) ? 1 : 0;
        }

        return requests;
    }

    /// <summary>The message in a frame that is all there is; null where it is not whole, compressed, or followed by something.</summary>
    public static ReadOnlyMemory<byte>? Unframe(ReadOnlyMemory<byte> frame)
    {
        var bytes = frame.Span;
        return bytes.Length >= FramePrefix && bytes[0] == 0 && BinaryPrimitives.ReadUInt32BigEndian(bytes[1..]) == (uint)(bytes.Length - FramePrefix)
            ? frame[FramePrefix..]
            : (ReadOnlyMemory<byte>?)null;
    }

    private static byte[] Frame(ReadOnlySpan<byte> message)
    {
        var frame = new byte[FramePrefix + message.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.Length);
        message.CopyTo(frame.AsSpan(FramePrefix));
        return frame;
    }

    private static void WriteText(ArrayBufferWriter<byte> to, int field, string text) => WriteBytes(to, field, Encoding.UTF8.GetBytes(text));

    private static void WriteBytes(ArrayBufferWriter<byte> to, int field, ReadOnlySpan<byte> bytes)
    {
        WriteVarint(to, (uint)((field << 3) | LengthDelimited));
        WriteVarint(to, (uint)bytes.Length);
        to.Write(bytes);
    }

    private static void WriteVarint(ArrayBufferWriter<byte> to, uint value)
    {
        for (; value >= 0x80; value >>= 7)
        {
            to.Write([(byte)(value | 0x80)]);
        }

        to.Write([(byte)value]);
    }

    /// <summary>Passes over a field's value; false where it is longer than what is left, or of a kind that proto3 does not have.</summary>
    private static bool ReadField(ref ReadOnlySpan<byte> from, int wireType)
    {
        switch (wireType)
        {
            case 0: // VARINT
                return ReadVarint(ref from) is not null;
            case 1: // I64
                return Skip(ref from, 8);
            case LengthDelimited:
                return ReadVarint(ref from) is { } length && Skip(ref from, length);
            case 5: // I32
                return Skip(ref from, 4);
            default:
                return false;
        }
    }

    private static bool Skip(ref ReadOnlySpan<byte> from, ulong length)
    {
        if (length > (ulong)from.Length)
        {
            return false;
        }

        from = from[(int)length..];
        return true;
    }

    private static ulong? ReadVarint(ref ReadOnlySpan<byte> from)
    {
        ulong value = 0;
        for (var i = 0; i < from.Length && i < 10; i++)
        {
            value |= (ulong)(from[i] & 0x7f) << (7 * i);
            if (from[i] < 0x80)
            {
                from = from[(i + 1)..];
                return value;
            }
        }

        return null;
    }
}
