using System.Buffers;
using System.Collections.Concurrent;

namespace CniIsolator.Exporter.Serving;

/// <summary>
/// Room for one answer, in pieces that are used again for later ones: an answer about hundreds of containers takes a megabyte, and room for it
/// that is new each time, and grows by doubling, would be most of the memory of this program.
/// </summary>
internal sealed class DocumentBuffer : IBufferWriter<byte>, IDisposable
{
    // Below what the runtime keeps apart as large and seldom collects.
    private const int PieceBytes = 32 * 1024;

    // Answers at once that are larger than this together take new room, which is let go.
    private const int MostKept = 64;

    private static readonly ConcurrentBag<byte[]> Kept = [];

    private readonly List<(byte[] Bytes, int Length)> _full = [];
    private byte[] _last = Rent();
    private int _length;

    /// <summary>Bytes written.</summary>
    public long Length { get; private set; }

    public void Advance(int count)
    {
        _length += count;
        Length += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _last.AsMemory(_length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _last.AsSpan(_length);
    }

    /// <summary>Writes all of it, piece by piece, as fast as the other side takes it.</summary>
    public async Task CopyToAsync(Stream stream, CancellationToken cancellation)
    {
        foreach (var (bytes, length) in _full)
        {
            await stream.WriteAsync(bytes.AsMemory(0, length), cancellation).ConfigureAwait(false);
        }

        await stream.WriteAsync(_last.AsMemory(0, _length), cancellation).ConfigureAwait(false);
    }

    public void Dispose()
    {
        foreach (var (bytes, _) in _full)
        {
            Return(bytes);
        }

        Return(_last);
        _full.Clear();
        (_last, _length, Length) = ([], 0, 0);
    }

    private void Reserve(int size)
    {
        if (_length + Math.Max(size, 1) <= _last.Length)
        {
            return;
        }

        _full.Add((_last, _length));
        _last = size <= PieceBytes ? Rent() : new byte[size];
        _length = 0;
    }

    private static byte[] Rent() => Kept.TryTake(out var piece) ? piece : new byte[PieceBytes];

    private static void Return(byte[] piece)
    {
        if (piece.Length == PieceBytes && Kept.Count < MostKept)
        {
            Kept.Add(piece);
        }
    }
}
