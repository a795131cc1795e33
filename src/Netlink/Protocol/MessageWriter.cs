using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace CniIsolator.Netlink.Protocol;

/// <summary>Writes one message into a batch. Lengths are patched when scopes end, so that they cannot be forgotten.</summary>
public readonly ref struct MessageWriter
{
    private readonly NetlinkBatch _batch;
    private readonly int _start;

    internal MessageWriter(NetlinkBatch batch, int start)
    {
        _batch = batch;
        _start = start;
    }

    /// <summary>Writes the fixed structure that follows the netlink header, or that begins a nested attribute.</summary>
    public void Structure<T>(in T value)
        where T : unmanaged => MemoryMarshal.Write(_batch.Reserve(Unsafe.SizeOf<T>()), in value);

    public void Attribute<TName, TValue>(TName name, TValue value)
        where TName : unmanaged, Enum
        where TValue : unmanaged
    {
        var room = Begin(name, Unsafe.SizeOf<TValue>());
        MemoryMarshal.Write(room, in value);
    }

    public void Attribute<TName>(TName name, ReadOnlySpan<byte> value)
        where TName : unmanaged, Enum => value.CopyTo(Begin(name, value.Length));

    /// <summary>A string with the closing NUL that the kernel's NLA_NUL_STRING policy asks for.</summary>
    public void Attribute<TName>(TName name, string value)
        where TName : unmanaged, Enum
    {
        var length = Encoding.UTF8.GetByteCount(value);
        Encoding.UTF8.GetBytes(value, Begin(name, length + 1));
    }

    /// <summary>Begins a nested attribute; disposing the scope ends it.</summary>
    /// <param name="name">The attribute.</param>
    /// <param name="flagged">
    /// Whether to set NLA_F_NESTED. Attributes older than the flag are sent without it, as ip and tc send them.
    /// </param>
    public NestedScope Nested<TName>(TName name, bool flagged = false)
        where TName : unmanaged, Enum
    {
        var start = _batch.Length;
        Header(name, flagged ? Alignment.AttributeNested : (ushort)0, Alignment.AttributeHeaderLength);
        return new NestedScope(_batch, start);
    }

    /// <summary>Begins element <paramref name="index"/> of a nested array.</summary>
    public NestedScope Element(ushort index)
    {
        var start = _batch.Length;
        Write(index, Alignment.AttributeHeaderLength, Alignment.AttributeHeaderLength);
        return new NestedScope(_batch, start);
    }

    public void Dispose() => _batch.PatchMessageLength(_start);

    private Span<byte> Begin<TName>(TName name, int length)
        where TName : unmanaged, Enum =>
        Header(name, 0, Alignment.AttributeHeaderLength + length)[Alignment.AttributeHeaderLength..];

    private Span<byte> Header<TName>(TName name, ushort flags, int length)
        where TName : unmanaged, Enum =>
        Write((ushort)(Unsafe.As<TName, ushort>(ref name) | flags), length, length);

    private Span<byte> Write(ushort type, int length, int reserve)
    {
        var room = _batch.Reserve(reserve);
        MemoryMarshal.Write(room, checked((ushort)length));
        MemoryMarshal.Write(room[sizeof(ushort)..], in type);
        return room;
    }

    /// <summary>An open nested attribute.</summary>
    public readonly ref struct NestedScope
    {
        private readonly NetlinkBatch _batch;
        private readonly int _start;

        internal NestedScope(NetlinkBatch batch, int start)
        {
            _batch = batch;
            _start = start;
        }

        public void Dispose() => _batch.PatchAttributeLength(_start);
    }
}
