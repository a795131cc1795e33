using System.Buffers;
using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace CniIsolator.Exporter.Kubernetes;

/// <summary>
/// Tells kubelet where our socket is: one call of its service Registration over kubelet's own socket. No TLS, no token, no API server. It is the only
/// call that this program makes, so its few frames of HTTP/2 (RFC 9113) are written here: the framework's client would cost every exporter
/// 3 MB of memory.
/// </summary>
internal static class KubeletRegistration
{
    private const string Method = "/v1beta1.Registration/Register";

    private const int FrameHeader = 9;
    private const int LongestFrame = 16384; // SETTINGS_MAX_FRAME_SIZE where nobody says otherwise, and we do not
    private const byte Data = 0;
    private const byte Headers = 1;
    private const byte Reset = 3; // RST_STREAM
    private const byte Settings = 4;
    private const byte Ping = 6;
    private const byte GoAway = 7;
    private const byte EndStream = 0x1;
    private const byte Acknowledged = 0x1; // ACK, of SETTINGS and PING
    private const byte EndHeaders = 0x4;
    private const int Stream = 1; // a client's first

    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    /// <param name="kubelet">Path of kubelet's socket.</param>
    /// <param name="endpoint">Name of our socket, in the same directory.</param>
    /// <param name="resource">What pods ask for.</param>
    /// <param name="stopping">Gives up.</param>
    /// <exception cref="IOException">Kubelet does not answer, or refuses; the message says which.</exception>
    public static async Task RegisterAsync(string kubelet, string endpoint, string resource, CancellationToken stopping)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        patience.CancelAfter(LongestWait);
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(kubelet), patience.Token).ConfigureAwait(false);
            await using var connection = new NetworkStream(socket);
            await connection.WriteAsync(Request(DeviceMessages.RegisterRequest(endpoint, resource)), patience.Token).ConfigureAwait(false);
            if (!await IsAcceptedAsync(connection, patience.Token).ConfigureAwait(false))
            {
                throw new IOException($"refuses {resource}; its log says why");
            }
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            throw new IOException($"{kubelet}: {e.Message}", e);
        }
        catch (OperationCanceledException e) when (!stopping.IsCancellationRequested)
        {
            throw new IOException($"{kubelet}: no answer within {LongestWait.TotalSeconds} s", e);
        }
    }

    /// <summary>All that we have to say, at once: a client need not wait for the server's settings.</summary>
    private static ReadOnlyMemory<byte> Request(byte[] message)
    {
        var to = new ArrayBufferWriter<byte>();
        to.Write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8);
        WriteFrame(to, Settings, 0, stream: 0, []);

        // HPACK (RFC 7541): indexed fields of its static table, and literals that are neither indexed nor Huffman coded.
        var fields = new ArrayBufferWriter<byte>();
        fields.Write<byte>([0x83, 0x86]); // :method POST, :scheme http
        fields.Write<byte>([0x04]); // :path
        WriteText(fields, Method);
        fields.Write<byte>([0x01]); // :authority
        WriteText(fields, "localhost");
        fields.Write<byte>([0x0f, 0x10]); // content-type
        WriteText(fields, "application/grpc");
        fields.Write<byte>([0x00]);
        WriteText(fields, "te");
        WriteText(fields, "trailers");
        WriteFrame(to, Headers, EndHeaders, Stream, fields.WrittenSpan);
        WriteFrame(to, Data, EndStream, Stream, message);
        return to.WrittenMemory;
    }

    /// <summary>
    /// Reads to the end of the answer. What gRPC says of a call stands in trailers that are Huffman coded; but an answer comes with a message if
    /// and only if the call succeeded.
    /// </summary>
    private static async Task<bool> IsAcceptedAsync(NetworkStream connection, CancellationToken cancel)
    {
        var buffer = new byte[LongestFrame];
        for (var answered = false; ;)
        {
            await connection.ReadExactlyAsync(buffer.AsMemory(0, FrameHeader), cancel).ConfigureAwait(false);
            var length = BinaryPrimitives.ReadInt32BigEndian(buffer) >>> 8;
            var (type, flags) = (buffer[3], buffer[4]);
            var stream = BinaryPrimitives.ReadInt32BigEndian(buffer.AsSpan(5)) & int.MaxValue;
            if (length > LongestFrame)
            {
                throw new IOException($"sends a frame of {length} bytes, more than HTTP/2 allows: it speaks something else");
            }

            await connection.ReadExactlyAsync(buffer.AsMemory(0, length), cancel).ConfigureAwait(false);
            switch (type)
            {
                case Settings or Ping when (flags & Acknowledged) == 0:
                    var answer = new ArrayBufferWriter<byte>();
                    WriteFrame(answer, type, Acknowledged, stream: 0, type == Ping ? buffer.AsSpan(0, length) : []);
                    await connection.WriteAsync(answer.WrittenMemory, cancel).ConfigureAwait(false);
                    break;
                case Data when stream == Stream:
                    answered |= length >= DeviceMessages.FramePrefix;
                    break;
                case Reset when stream == Stream:
                case GoAway:
                    throw new IOException("ends the call");
                default:
                    break;
            }

            if (type is Data or Headers && stream == Stream && (flags & EndStream) != 0)
            {
                return answered;
            }
        }
    }

    private static void WriteFrame(ArrayBufferWriter<byte> to, byte type, byte flags, int stream, ReadOnlySpan<byte> payload)
    {
        var header = to.GetSpan(FrameHeader);
        BinaryPrimitives.WriteInt32BigEndian(header, payload.Length << 8);
        (header[3], header[4]) = (type, flags);
        BinaryPrimitives.WriteInt32BigEndian(header[5..], stream);
        to.Advance(FrameHeader);
        to.Write(payload);
    }

    /// <summary>Up to 126 bytes: longer ones have longer lengths.</summary>
    private static void WriteText(ArrayBufferWriter<byte> to, string text)
    {
        to.Write([(byte)text.Length]);
        to.Write(Encoding.ASCII.GetBytes(text));
    }
}
