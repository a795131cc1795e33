using System.Runtime.InteropServices;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.Tc;

/// <summary>
/// What the kernel counts at a qdisc, a class or an action since it was made. <paramref name="Drops"/>,
/// <paramref name="Requeues"/> and <paramref name="Overlimits"/> start again from 0 at 2^32, and so do
/// <paramref name="Packets"/> before kernel 5.5.
/// Source: gnet_stats_basic and gnet_stats_queue of linux/gen_stats.h.
/// </summary>
/// <param name="Bytes">Bytes that passed: with the link-layer header at a qdisc or class, without it at an action on ingress.</param>
/// <param name="Packets">
/// Packets that passed. A segment that the device cuts up (GSO) counts as the packets that it becomes.
/// </param>
/// <param name="QueueLength">Packets that wait at this moment.</param>
/// <param name="Backlog">Bytes that wait at this moment.</param>
/// <param name="Drops">Packets dropped.</param>
/// <param name="Requeues">Packets that the device would not take, and that were put back.</param>
/// <param name="Overlimits">
/// Of a shaper, how often a packet had to wait for its rate; of a mirred action, packets that its device did not take.
/// </param>
public readonly record struct QueueStatistics(
    ulong Bytes, ulong Packets, uint QueueLength, uint Backlog, uint Drops, uint Requeues, uint Overlimits)
{
    /// <summary>From what TCA_STATS2 or TCA_ACT_STATS nests.</summary>
    internal static QueueStatistics Parse(ReadOnlySpan<byte> statistics)
    {
        var basic = default(BasicCounters);
        var queue = default(QueueCounters);
        ulong? packets = null;
        foreach (var attribute in new AttributeReader(statistics))
        {
            switch ((CounterAttribute)attribute.Type)
            {
                case CounterAttribute.Basic:
                    basic = attribute.As<BasicCounters>();
                    break;
                case CounterAttribute.Queue:
                    queue = attribute.As<QueueCounters>();
                    break;
                case CounterAttribute.Packets:
                    packets = attribute.As<ulong>();
                    break;
            }
        }

        return new QueueStatistics(
            basic.Bytes, packets ?? basic.Packets, queue.Length, queue.Backlog, queue.Drops, queue.Requeues, queue.Overlimits);
    }
}

/// <summary>A qdisc or class with what was counted there.</summary>
/// <param name="Index">Its device.</param>
/// <param name="Kind">"htb", "fq_codel", ….</param>
/// <param name="Handle">Of the qdisc, major: — 0 for the kernel's default ones — or of the class, major:minor.</param>
/// <param name="Parent">The qdisc or class above, <see cref="TcHandle.Root"/> for a root qdisc.</param>
/// <param name="Counters">What was counted.</param>
public sealed record TcStatistic(int Index, string Kind, uint Handle, uint Parent, QueueStatistics Counters)
{
    /// <summary>What an fq_codel counts besides.</summary>
    public FqCodelStatistics? FqCodel { get; init; }
}

/// <summary>
/// Counters of qdiscs and classes. They stand apart from <see cref="Qdisc"/> and <see cref="HtbClass"/>, which are compared
/// with what was asked for.
/// </summary>
public static class TcStatistics
{
    // What the kernel's fq_codel told before 4.7: up to ce_mark.
    private const int OldestFqCodelLength = 32;

    /// <summary>
    /// Counters of a device's qdiscs, or of all devices' for index 0; either is one dump of all. A device that is gone has none.
    /// A qdisc counts what left it, an htb also what its leaves hold (queue length and backlog) and dropped.
    /// Equivalent to: <c>tc -s qdisc show dev INDEX</c>, or <c>tc -s qdisc show</c> for index 0.
    /// </summary>
    public static List<TcStatistic> ListQdiscs(NetlinkConnection connection, int index) =>
        List(connection, RouteMessage.GetQdisc, index, "list qdisc statistics");

    /// <summary>
    /// Counters of a device's classes of every kind; a device that is gone has none. A flow of an fq_codel in which packets wait is
    /// a class, too.
    /// Equivalent to: <c>tc -s class show dev INDEX</c>.
    /// </summary>
    public static List<TcStatistic> ListClasses(NetlinkConnection connection, int index) =>
        List(connection, RouteMessage.GetClass, index, "list class statistics");

    private static List<TcStatistic> List(NetlinkConnection connection, RouteMessage dump, int index, string operation)
    {
        var listed = new List<TcStatistic>();
        TcObject.Dump(
            connection,
            dump,
            index,
            operation,
            found =>
            {
                var parent = dump == RouteMessage.GetClass && found.Kind == "htb" ? Htb.ParentOf(found.Header) : found.Header.Parent;
                listed.Add(new TcStatistic(found.Header.Index, found.Kind, found.Header.Handle, parent, QueueStatistics.Parse(found.Statistics))
                {
                    FqCodel = found.Kind == "fq_codel" ? ParseFqCodel(found.Statistics) : null,
                });
            },
            listed.Clear);
        return listed;
    }

    private static unsafe FqCodelStatistics? ParseFqCodel(ReadOnlySpan<byte> statistics)
    {
        foreach (var attribute in new AttributeReader(statistics))
        {
            if ((CounterAttribute)attribute.Type != CounterAttribute.Application || attribute.As<FqCodelStatisticsType>() != FqCodelStatisticsType.Qdisc)
            {
                continue;
            }

            if (attribute.Value.Length < OldestFqCodelLength)
            {
                throw new NetlinkProtocolException($"statistics of an fq_codel of {attribute.Value.Length} bytes");
            }

            Span<byte> whole = stackalloc byte[sizeof(FqCodelExtendedStatistics)];
            attribute.Value[..Math.Min(attribute.Value.Length, whole.Length)].CopyTo(whole);
            return MemoryMarshal.Read<FqCodelExtendedStatistics>(whole).Qdisc;
        }

        return null;
    }
}
