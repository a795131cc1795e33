using System.Numerics;
using CniIsolator.Ipam;

namespace CniIsolator.DataPath;

/// <summary>
/// Aligned ports of a power of two that share their high byte: what one node of a table that is hashed by that byte can match.
/// </summary>
public static class PortBlock
{
    /// <summary>Buckets of such a table.</summary>
    public const int Buckets = 256;

    /// <summary>An aligned range, cut where a bucket ends.</summary>
    public static IEnumerable<PortRange> Cut(PortRange range)
    {
        var size = Math.Min(range.Count, Buckets);
        for (int begin = range.Begin; begin <= range.End; begin += size)
        {
            yield return new PortRange((ushort)begin, (ushort)(begin + size - 1));
        }
    }

    public static int Bucket(PortRange block) => block.Begin >> 8;

    /// <summary>
    /// 1 to 2304, another one for every block of a bucket: when ports are added to a container, the larger block that holds a
    /// port stands beside the smaller one that has held it until that is removed. Node 0 would mean "choose one".
    /// </summary>
    public static int Node(PortRange block) => 1 + (block.Begin & 0xff) + (Buckets * BitOperations.Log2((uint)block.Count));
}
