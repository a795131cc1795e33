namespace CniIsolator.Testbed;

/// <summary>Eight bytes in a packet by which it is known wherever it turns up.</summary>
public sealed class Mark
{
    private static int _count;

    private readonly byte[] _bytes;

    public Mark()
    {
        _bytes = System.Text.Encoding.ASCII.GetBytes($"mk{Interlocked.Increment(ref _count):x5}.");
    }

    public byte[] Bytes => [.. _bytes];

    public bool In(byte[] data) => data.AsSpan().IndexOf(_bytes) >= 0;

    public bool In(CapturedFrame frame)
    {
        ArgumentNullException.ThrowIfNull(frame);
        return In(frame.Data);
    }

    public bool Seen(PacketSocket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        return socket.Frames.Any(In);
    }

    public bool Seen(RawSocket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        return socket.Has(In);
    }
}
