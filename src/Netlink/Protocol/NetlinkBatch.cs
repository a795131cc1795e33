using System.Runtime.InteropServices;
using CniIsolator.Linux;

namespace CniIsolator.Netlink.Protocol;

/// <summary>
/// Messages that go to the kernel together, in as few datagrams as its buffers allow. The kernel works through all of them, also behind one that fails.
/// </summary>
public sealed class NetlinkBatch
{
    private readonly List<Entry> _entries = [];
    private byte[] _buffer;

    public NetlinkBatch(int capacity = 16 * 1024) => _buffer = new byte[capacity];

    public int Count => _entries.Count;

    /// <summary>The messages on the wire. Sequence numbers, port id and the closing NLM_F_ACK are set when it is sent.</summary>
    public ReadOnlySpan<byte> Bytes => _buffer.AsSpan(0, Length);

    internal int Length { get; private set; }

    internal IReadOnlyList<Entry> Entries => _entries;

    /// <summary>Begins a message; disposing the writer ends it.</summary>
    /// <param name="type">nlmsg_type.</param>
    /// <param name="flags">nlmsg_flags besides NLM_F_REQUEST.</param>
    /// <param name="operation">What it does, for the message of a <see cref="NetlinkException"/>.</param>
    /// <param name="tolerated">Answers that count as success, for instance EEXIST where the object may be there already.</param>
    public MessageWriter Message(ushort type, MessageFlags flags, string operation, params ReadOnlySpan<Errno> tolerated)
    {
        var start = Length;
        _entries.Add(new Entry(start, operation, tolerated.IsEmpty ? [] : tolerated.ToArray()));
        ref var header = ref MemoryMarshal.AsRef<NetlinkHeader>(Reserve(Alignment.HeaderLength));
        header.Type = type;
        header.Flags = flags | MessageFlags.Request;
        return new MessageWriter(this, start);
    }

    /// <summary>Zeroed room at the end, aligned as netlink wants it.</summary>
    internal Span<byte> Reserve(int length)
    {
        var aligned = Alignment.Align(length);
        if (Length + aligned > _buffer.Length)
        {
            Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, Length + aligned));
        }

        var room = _buffer.AsSpan(Length, aligned);
        room.Clear();
        Length += aligned;
        return room[..length];
    }

    internal void PatchMessageLength(int start) =>
        MemoryMarshal.Write(_buffer.AsSpan(start), (uint)(Length - start));

    internal void PatchAttributeLength(int start) =>
        MemoryMarshal.Write(_buffer.AsSpan(start), checked((ushort)(Length - start)));

    /// <summary>Numbers the messages and asks for an answer to the last one: the kernel reports errors of the others unasked.</summary>
    internal void Seal(uint firstSequence)
    {
        for (var i = 0; i < _entries.Count; i++)
        {
            ref var header = ref MemoryMarshal.AsRef<NetlinkHeader>(_buffer.AsSpan(_entries[i].Start, Alignment.HeaderLength));
            header.Sequence = firstSequence + (uint)i;
            if (i == _entries.Count - 1 && (header.Flags & MessageFlags.Dump) != MessageFlags.Dump)
            {
                header.Flags |= MessageFlags.Acknowledge;
            }
        }
    }

    internal sealed record Entry(int Start, string Operation, Errno[] Tolerated);
}
