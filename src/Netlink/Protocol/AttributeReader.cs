using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace CniIsolator.Netlink.Protocol;

/// <summary>Walks netlink attributes; a length that lies ends in a <see cref="NetlinkProtocolException"/>.</summary>
public ref struct AttributeReader
{
    private ReadOnlySpan<byte> _rest;

    public AttributeReader(ReadOnlySpan<byte> attributes) => _rest = attributes;

    public ReceivedAttribute Current { get; private set; }

    public readonly AttributeReader GetEnumerator() => this;

    public bool MoveNext()
    {
        // Fewer bytes than a header are padding, as nla_ok() has it.
        if (_rest.Length < Alignment.AttributeHeaderLength)
        {
            return false;
        }

        var length = MemoryMarshal.Read<ushort>(_rest);
        if (length < Alignment.AttributeHeaderLength || length > _rest.Length)
        {
            throw new NetlinkProtocolException($"an attribute of {length} bytes where {_rest.Length} are left");
        }

        var type = MemoryMarshal.Read<ushort>(_rest[sizeof(ushort)..]);
        Current = new ReceivedAttribute((ushort)(type & Alignment.AttributeTypeMask), _rest[Alignment.AttributeHeaderLength..length]);
        _rest = _rest[Math.Min(Alignment.Align(length), _rest.Length)..];
        return true;
    }
}

/// <summary>One attribute from the kernel.</summary>
public readonly ref struct ReceivedAttribute
{
    internal ReceivedAttribute(ushort type, ReadOnlySpan<byte> value)
    {
        Type = type;
        Value = value;
    }

    /// <summary>The type without NLA_F_NESTED and NLA_F_NET_BYTEORDER.</summary>
    public ushort Type { get; }

    public ReadOnlySpan<byte> Value { get; }

    /// <summary>The attributes that this one nests.</summary>
    public AttributeReader Nested => new(Value);

    /// <summary>The value as a fixed type. A longer value is cut: newer kernels append to their structures.</summary>
    public T As<T>()
        where T : unmanaged => Value.Length >= Unsafe.SizeOf<T>()
            ? MemoryMarshal.Read<T>(Value)
            : throw new NetlinkProtocolException($"attribute {Type} has {Value.Length} bytes where {typeof(T).Name} takes {Unsafe.SizeOf<T>()}");

    /// <summary>The value as text, up to its closing NUL.</summary>
    public string AsString()
    {
        var end = Value.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? Value : Value[..end]);
    }
}
