using System.Numerics;
using CniIsolator.Ipam;

namespace CniIsolator.Exporter.Sockets;

/// <summary>A set of ports that is filled and emptied again and again: however many sockets have a port, it costs a bit.</summary>
internal sealed class PortMarks
{
    private const int WordBits = 64;

    private readonly ulong[] _words = new ulong[65536 / WordBits];

    public void Clear() => _words.AsSpan().Clear();

    public void Add(ushort port) => _words[port / WordBits] |= 1UL << (port % WordBits);

    public void Add(PortMarks others)
    {
        for (var i = 0; i < _words.Length; i++)
        {
            _words[i] |= others._words[i];
        }
    }

    public int CountWithin(PortRange range)
    {
        var count = 0;
        for (var port = Next(range.Begin); port <= range.End; port = Next(port + 1))
        {
            count++;
        }

        return count;
    }

    /// <summary>The first port of the set from <paramref name="port"/> on, or 65536.</summary>
    public int Next(int port)
    {
        for (var word = port / WordBits; word < _words.Length; word++, port = word * WordBits)
        {
            var rest = _words[word] >> (port % WordBits);
            if (rest != 0)
            {
                return port + BitOperations.TrailingZeroCount(rest);
            }
        }

        return ushort.MaxValue + 1;
    }
}
