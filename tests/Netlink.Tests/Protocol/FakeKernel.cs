using System.Buffers.Binary;
using CniIsolator.Netlink.Protocol;

namespace CniIsolator.Netlink.Tests.Protocol;

/// <summary>A kernel that answers each datagram as a test says.</summary>
/// <param name="answer">Called with the messages of a datagram; returns the datagrams that go back.</param>
internal sealed class FakeKernel(Func<List<NetlinkHeader>, IEnumerable<Datagram>> answer) : INetlinkTransport
{
    public const uint Port = 4711;

    private readonly Queue<Datagram> _answers = [];

    public uint PortId => Port;

    public int Requests { get; private set; }

    public bool Disposed { get; private set; }

    public void Send(ReadOnlySpan<byte> datagram)
    {
        Requests++;
        var headers = new List<NetlinkHeader>();
        foreach (var message in new MessageReader(datagram))
        {
            headers.Add(message.Header);
        }

        foreach (var one in answer(headers))
        {
            _answers.Enqueue(one);
        }
    }

    public int Receive(Span<byte> buffer, out uint senderPortId)
    {
        // A real socket would wait for ever here: the library asked for more than it was owed.
        var datagram = _answers.TryDequeue(out var next) ? next : throw new SilenceException();
        senderPortId = datagram.Sender;
        datagram.Bytes.CopyTo(buffer);
        return datagram.Bytes.Length;
    }

    public void Dispose() => Disposed = true;
}

/// <summary>The fake kernel has nothing more to say.</summary>
internal sealed class SilenceException : Exception;

/// <summary>One datagram to the library.</summary>
internal sealed record Datagram(byte[] Bytes, uint Sender = 0)
{
    /// <summary>Several messages in one datagram.</summary>
    public static Datagram Of(params byte[][] messages) => new([.. messages.SelectMany(m => m)]);
}

/// <summary>Messages as a kernel writes them.</summary>
internal static class Answer
{
    public static byte[] Message(ushort type, ushort flags, uint sequence, byte[] payload, uint port = FakeKernel.Port)
    {
        var bytes = new byte[(16 + payload.Length + 3) & ~3];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, 16 + payload.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(4), type);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(6), flags);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), port);
        payload.CopyTo(bytes, 16);
        return bytes;
    }

    /// <summary>NLMSG_ERROR: errno 0 acknowledges. Without a request of its own length it is capped to the header.</summary>
    public static byte[] Error(NetlinkHeader request, int errno, string? text = null, bool capped = true, uint port = FakeKernel.Port)
    {
        var body = new byte[4 + (capped ? 16 : (int)request.Length)];
        BinaryPrimitives.WriteInt32LittleEndian(body, -errno);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(4), request.Length);
        // What is echoed behind the header must not be taken for the attributes.
        body.AsSpan(20).Fill(0x77);
        var flags = (ushort)((capped ? 0x100 : 0) | (text is null ? 0 : 0x200));
        return Message(2, flags, request.Sequence, text is null ? body : [.. body, .. Text(1, text)], port);
    }

    public static byte[] Done(NetlinkHeader request, int errno = 0, ushort flags = 2)
    {
        var body = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(body, -errno);
        return Message(3, flags, request.Sequence, body);
    }

    public static byte[] Attribute(ushort type, params byte[] value)
    {
        var bytes = new byte[(4 + value.Length + 3) & ~3];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)(4 + value.Length));
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2), type);
        value.CopyTo(bytes, 4);
        return bytes;
    }

    private static byte[] Text(ushort type, string text) => Attribute(type, [.. System.Text.Encoding.UTF8.GetBytes(text), 0]);
}
