using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;

namespace CniIsolator.Netlink;

/// <summary>One message of a batch that the kernel refused.</summary>
public sealed record NetlinkFailure(int Index, string Operation, Errno Errno, string? KernelText)
{
    public NetlinkException ToException() => new(Operation, Errno, KernelText);
}

/// <summary>Sends batches and dump requests, and reads every answer to them.</summary>
public sealed class NetlinkConnection : IDisposable
{
    /// <summary>The kernel's dump datagrams are at most 32 KiB; acknowledgements are far smaller.</summary>
    public const int BufferBytes = 64 * 1024;

    private const int DumpAttempts = 5;

    // Well below the smallest send buffer in use, net.core.wmem_default, usually 208 KiB.
    private const int DatagramBytes = 64 * 1024;

    private readonly byte[] _buffer;
    private readonly INetlinkTransport _transport;
    private uint _sequence;

    /// <param name="transport">Its way to the kernel; disposed of with it.</param>
    /// <param name="buffer">
    /// Room for answers, of <see cref="BufferBytes"/>, or null for room of its own. Connections that are used one after another may share it.
    /// </param>
    public NetlinkConnection(INetlinkTransport transport, byte[]? buffer = null)
    {
        _transport = transport;
        _buffer = buffer ?? new byte[BufferBytes];
    }

    public delegate void MessageHandler(ReceivedMessage message);

    /// <summary>A connection into the network namespace of the calling thread.</summary>
    public static NetlinkConnection Open(NetlinkFamily family = NetlinkFamily.Route, byte[]? buffer = null) => new(NetlinkSocket.Open(family), buffer);

    /// <summary>Sends a batch; returns what the kernel refused, apart from what a message tolerates.</summary>
    public IReadOnlyList<NetlinkFailure> Execute(NetlinkBatch batch) => Execute(batch, null);

    /// <exception cref="NetlinkException">The first message that the kernel refused.</exception>
    public void ExecuteOrThrow(NetlinkBatch batch)
    {
        var failures = Execute(batch, null);
        if (failures.Count > 0)
        {
            throw failures[0].ToException();
        }
    }

    /// <summary>Sends a request whose answer is one message; false where the kernel says that there is no such object.</summary>
    public bool Get(NetlinkBatch request, MessageHandler handler, params ReadOnlySpan<Errno> absent)
    {
        var failures = Execute(request, handler);
        if (failures.Count == 0)
        {
            return true;
        }

        return absent.ToArray().Contains(failures[0].Errno) ? false : throw failures[0].ToException();
    }

    /// <summary>
    /// Sends a dump request and hands over each message. A dump that the kernel marks as interrupted is taken again:
    /// <paramref name="restart"/> is called before every attempt and must forget what was collected.
    /// </summary>
    public void Dump(NetlinkBatch request, MessageHandler handler, Action restart)
    {
        for (var attempt = 1; ; attempt++)
        {
            restart();
            if (!DumpOnce(request, handler))
            {
                return;
            }

            if (attempt == DumpAttempts)
            {
                throw new NetlinkException(request.Entries[0].Operation, Errno.Interrupted, $"the dump was inconsistent {DumpAttempts} times");
            }
        }
    }

    public void Dispose() => _transport.Dispose();

    private List<NetlinkFailure> Execute(NetlinkBatch batch, MessageHandler? handler)
    {
        var failures = new List<NetlinkFailure>();
        if (batch.Count == 0)
        {
            return failures;
        }

        var first = Send(batch);
        var last = first + (uint)batch.Count - 1;
        while (true)
        {
            foreach (var message in Receive())
            {
                if (!IsForUs(message.Header, first, last))
                {
                    continue;
                }

                if (message.Header.Type != (ushort)ControlMessageType.Error)
                {
                    handler?.Invoke(message);
                    continue;
                }

                var index = (int)(message.Header.Sequence - first);
                var entry = batch.Entries[index];
                var (errno, text) = ReadError(message);
                if (errno != Errno.None && !entry.Tolerated.Contains(errno))
                {
                    failures.Add(new NetlinkFailure(index, entry.Operation, errno, text));
                }

                if (message.Header.Sequence == last)
                {
                    return failures;
                }
            }
        }
    }

    /// <summary>Whether the kernel said that the dump was interrupted.</summary>
    private bool DumpOnce(NetlinkBatch request, MessageHandler handler)
    {
        var sequence = Send(request);
        var interrupted = false;
        while (true)
        {
            foreach (var message in Receive())
            {
                if (!IsForUs(message.Header, sequence, sequence))
                {
                    continue;
                }

                interrupted |= (message.Header.Flags & MessageFlags.DumpInterrupted) != 0;
                switch ((ControlMessageType)message.Header.Type)
                {
                    case ControlMessageType.Done:
                        // An error of a dump that had begun stands in the closing message.
                        var status = message.Payload.Length >= sizeof(int) ? MemoryMarshal.Read<int>(message.Payload) : 0;
                        return status == 0
                            ? interrupted
                            : throw new NetlinkException(request.Entries[0].Operation, (Errno)(-status));
                    case ControlMessageType.Error:
                        var (errno, text) = ReadError(message);
                        throw new NetlinkException(request.Entries[0].Operation, errno, text);
                    default:
                        handler(message);
                        break;
                }
            }
        }
    }

    private uint Send(NetlinkBatch batch)
    {
        var first = _sequence + 1;
        _sequence += (uint)batch.Count;
        batch.Seal(first);

        // Cut between messages, because the kernel refuses (EMSGSIZE) what is longer than the socket's send buffer.
        var begin = 0;
        for (var i = 1; i <= batch.Count; i++)
        {
            var end = i < batch.Count ? batch.Entries[i].Start : batch.Length;
            var next = i + 1 < batch.Count ? batch.Entries[i + 1].Start : batch.Length;
            if (i == batch.Count || next - begin > DatagramBytes)
            {
                _transport.Send(batch.Bytes[begin..end]);
                begin = end;
            }
        }

        return first;
    }

    private MessageReader Receive()
    {
        while (true)
        {
            var length = _transport.Receive(_buffer, out var sender);

            // Only the kernel, port 0, is believed: any process may send to a netlink port.
            if (sender == 0)
            {
                return new MessageReader(_buffer.AsSpan(0, length));
            }
        }
    }

    private bool IsForUs(NetlinkHeader header, uint first, uint last)
    {
        if ((ControlMessageType)header.Type == ControlMessageType.Overrun)
        {
            throw new NetlinkProtocolException("the kernel reports an overrun");
        }

        return (ControlMessageType)header.Type != ControlMessageType.Noop
            && header.PortId == _transport.PortId && header.Sequence - first <= last - first;
    }

    private static (Errno Errno, string? Text) ReadError(ReceivedMessage message)
    {
        var payload = message.Payload;
        if (payload.Length < sizeof(int) + Unsafe.SizeOf<NetlinkHeader>())
        {
            throw new NetlinkProtocolException($"an acknowledgement of {payload.Length} bytes");
        }

        var errno = (Errno)(-MemoryMarshal.Read<int>(payload));
        if ((message.Header.Flags & MessageFlags.AckAttributes) == 0)
        {
            return (errno, null);
        }

        // Attributes stand behind the request's header, or behind the whole request where it was not capped.
        var request = MemoryMarshal.Read<NetlinkHeader>(payload[sizeof(int)..]);
        var skip = sizeof(int) + ((message.Header.Flags & MessageFlags.AckCapped) != 0
            ? Alignment.HeaderLength
            : Alignment.Align((int)Math.Min(request.Length, int.MaxValue / 2)));
        if (skip > payload.Length)
        {
            throw new NetlinkProtocolException($"an acknowledgement of {payload.Length} bytes for a request of {request.Length}");
        }

        string? text = null;
        foreach (var attribute in new AttributeReader(payload[skip..]))
        {
            if ((ErrorAttribute)attribute.Type == ErrorAttribute.Message)
            {
                text = attribute.AsString();
            }
        }

        return (errno, text);
    }
}
