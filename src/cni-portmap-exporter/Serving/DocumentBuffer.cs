using System.Buffers;
using System.Collections.Concurrent;

namespace CniIsolator.Exporter.Serving;

/// <summary>
/// Room for one answer, used again for later ones: an answer about hundreds of containers takes a megabyte, and room for it that is new each
/// time, and grows by doubling, would be most of the memory of this program.
/// </summary>
internal sealed class DocumentBuffer : IBufferWriter<byte>, IDisposable
{
    // As many as there are scrapers, usually; more at once are made and let go.
    private const int MostKept = 2;
    private const int FirstSize = 16 * 1024;

    private static readonly ConcurrentBag<DocumentBuffer> Kept = [];

    private byte[] _bytes = new byte[FirstSize];
    private int _length;

    private DocumentBuffer()
    {
    }

    /// <summary>Valid until disposal.</summary>
    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, _length);

    public static DocumentBuffer Rent() => Kept.TryTake(out var kept) ? kept : new DocumentBuffer();

    public void Advance(int count) => _length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsMemory(_length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsSpan(_length);
    }

    public void Dispose()
    {
        _length = 0;
        if (Kept.Count < MostKept)
        {
            Kept.Add(this);
        }
    }

    private void Reserve(int size)
    {
        // Not by doubling: what is kept is then little more than what is needed.
        var needed = _length + Math.Max(size, 1);
        if (needed > _bytes.Length)
        {
            Array.Resize(ref _bytes, needed + Math.Max(FirstSize, needed / 4));
        }
    }
}
