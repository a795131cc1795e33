using System.Numerics;

namespace CniIsolator.Ipam;

/// <summary>How many slices of one size a pool has.</summary>
/// <param name="Total">Slices in the pool when nothing is owned.</param>
/// <param name="Free">Slices that could be given out now.</param>
/// <param name="LargestFree">Ports in the largest slice that could be given out now, 0 to 65536.</param>
public readonly record struct SliceCapacity(int Total, int Free, int LargestFree);

/// <summary>
/// Buddy allocation of slices: aligned powers of two, so that a single u32 key matches one whatever its size.
/// The pool needs no alignment; ports at its edges that fit no slice are left alone.
/// </summary>
public static class SliceAllocator
{
    /// <summary>The smallest slice that makes sense: fewer ports than this starve a container at once.</summary>
    public const int SmallestSize = 16;

    public const int LargestSize = 65536;

    /// <summary>What a container gets where nothing else is configured.</summary>
    public const int DefaultSize = 1024;

    /// <summary>
    /// Chooses a slice. One that was freed is taken only when no other is left, and then the one freed longest ago.
    /// Otherwise it comes out of the smallest free block that is large enough, so that small slices fill broken
    /// blocks before they break whole ones, and among equals from the lowest address. Blocks of
    /// <paramref name="regularSize"/> and above count as equal: where all slices have that size, it is first fit.
    /// </summary>
    /// <param name="pool">Ports to take slices from.</param>
    /// <param name="size">Number of ports, a power of two from 16 to 65536.</param>
    /// <param name="owned">Ranges that containers own, in the pool or not.</param>
    /// <param name="unusable">Ports that no slice may contain, for instance where processes of the host listen.</param>
    /// <param name="freed">Slices given back before.</param>
    /// <param name="regularSize">Ports in the slice of an ordinary container of the network: the blocks worth keeping whole.</param>
    /// <returns>The slice, or null when none of this size is free.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="size"/> is not such a power of two.</exception>
    public static PortRange? Allocate(
        PortSet pool, int size, IEnumerable<PortRange> owned, PortSet unusable, FreedSlices freed, int regularSize = DefaultSize)
    {
        ValidateSize(size);
        var blocks = FreeBlocks(pool, owned, unusable).Where(block => block.Count >= size);
        var lastFreed = LastFreed(freed, size);
        PortRange? best = null;
        var bestRank = (Freed: int.MaxValue, Block: int.MaxValue, Begin: int.MaxValue);
        foreach (var block in blocks)
        {
            for (int begin = block.Begin; begin <= block.End; begin += size)
            {
                var rank = (lastFreed[begin / size], Math.Min(block.Count, regularSize), begin);
                if (rank.CompareTo(bestRank) < 0)
                {
                    bestRank = rank;
                    best = new PortRange((ushort)begin, (ushort)(begin + size - 1));
                }
            }
        }

        return best;
    }

    /// <summary>Counts the slices of one size.</summary>
    /// <param name="pool">Ports to take slices from.</param>
    /// <param name="owned">Ranges that containers own, in the pool or not.</param>
    /// <param name="size">Number of ports, a power of two from 16 to 65536.</param>
    /// <param name="unusable">Ports that no slice may contain.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="size"/> is not such a power of two.</exception>
    public static SliceCapacity Capacity(PortSet pool, IEnumerable<PortRange> owned, int size, PortSet? unusable = null)
    {
        ValidateSize(size);
        var free = FreeBlocks(pool, owned, unusable ?? PortSet.Empty).ToList();
        return new SliceCapacity(
            pool.Decompose().Sum(block => block.Count / size),
            free.Sum(block => block.Count / size),
            free.Select(block => block.Count).DefaultIfEmpty().Max());
    }

    /// <summary>Whether a container can be given a slice of this many ports.</summary>
    public static bool IsValidSize(int size) => size is >= SmallestSize and <= LargestSize && BitOperations.IsPow2(size);

    private static void ValidateSize(int size)
    {
        if (!IsValidSize(size))
        {
            throw new ArgumentOutOfRangeException(
                nameof(size), size, $"a slice has a power of two from {SmallestSize} to {LargestSize} ports");
        }
    }

    /// <summary>The free ports as the largest aligned blocks there are: buddies that are both free have merged.</summary>
    private static IEnumerable<PortRange> FreeBlocks(PortSet pool, IEnumerable<PortRange> owned, PortSet unusable) =>
        pool.Subtract(PortSet.From(owned)).Subtract(unusable).Decompose();

    /// <summary>For each aligned slice of this size, when any part of it was freed last: -1 is never.</summary>
    private static int[] LastFreed(FreedSlices freed, int size)
    {
        var last = new int[65536 / size];
        Array.Fill(last, -1);
        for (var i = 0; i < freed.Ranges.Length; i++)
        {
            var range = freed.Ranges[i];
            last.AsSpan((range.Begin / size)..(range.End / size + 1)).Fill(i);
        }

        return last;
    }
}
