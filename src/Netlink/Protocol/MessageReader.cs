using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CniIsolator.Netlink.Protocol;

/// <summary>Walks the messages of a datagram; a length that lies ends in a <see cref="NetlinkProtocolException"/>.</summary>
public ref struct MessageReader
{
    private ReadOnlySpan<byte> _rest;

    public MessageReader(ReadOnlySpan<byte> datagram) => _rest = datagram;

    public ReceivedMessage Current { get; private set; }

    public readonly MessageReader GetEnumerator() => this;

    public bool MoveNext()
    {
        if (_rest.IsEmpty)
        {
            return false;
        }

        if (_rest.Length < Alignment.HeaderLength)
        {
            throw new NetlinkProtocolException($"{_rest.Length} bytes are left where a message header takes {Alignment.HeaderLength}");
        }

        var header = MemoryMarshal.Read<NetlinkHeader>(_rest);
        if (header.Length < Alignment.HeaderLength || header.Length > _rest.Length)
        {
            throw new NetlinkProtocolException($"a message of {header.Length} bytes in a datagram with {_rest.Length} left");
        }

        var length = (int)header.Length;
        Current = new ReceivedMessage(header, _rest[Alignment.HeaderLength..length]);
        _rest = _rest[Math.Min(Alignment.Align(length), _rest.Length)..];
        return true;
    }
}

/// <summary>One message from the kernel.</summary>
public readonly ref struct ReceivedMessage
{
    internal ReceivedMessage(NetlinkHeader header, ReadOnlySpan<byte> payload)
    {
        Header = header;
        Payload = payload;
    }

    public NetlinkHeader Header { get; }

    /// <summary>All behind the netlink header.</summary>
    public ReadOnlySpan<byte> Payload { get; }

    /// <summary>The fixed structure at the payload's begin.</summary>
    public T Structure<T>()
        where T : unmanaged => Payload.Length >= Unsafe.SizeOf<T>()
            ? MemoryMarshal.Read<T>(Payload)
            : throw new NetlinkProtocolException($"{Payload.Length} bytes where {typeof(T).Name} takes {Unsafe.SizeOf<T>()}");

    /// <summary>The attributes behind the fixed structure.</summary>
    public AttributeReader Attributes<T>()
        where T : unmanaged
    {
        _ = Structure<T>();
        return new AttributeReader(Payload[Math.Min(Alignment.Align(Unsafe.SizeOf<T>()), Payload.Length)..]);
    }
}
