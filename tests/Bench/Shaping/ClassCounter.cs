using System.Diagnostics;
using CniIsolator.DataPath;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Shaping;

/// <summary>What a class had sent, or what had been paid for, at a moment.</summary>
internal readonly record struct Reading(long Timestamp, long Bytes);

/// <summary>
/// The byte counter of a container's shaper, which counts what the limit counts: Ethernet frames with their headers, each segment of a
/// large packet with its own. The interface's counter would not do, as it counts a large packet's headers once.
/// </summary>
internal sealed class ClassCounter : IDisposable
{
    private const ushort Statistics = 7; // TCA_STATS2 of linux/rtnetlink.h
    private const ushort Basic = 1; // TCA_STATS_BASIC of linux/gen_stats.h: struct gnet_stats_basic
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly NetlinkConnection _connection;
    private readonly int _index;

    /// <param name="place">Where the interface is.</param>
    /// <param name="name">Whether an interface is the one, by its name.</param>
    public ClassCounter(Namespace place, Func<string, bool> name)
    {
        _connection = place.Run(() => NetlinkConnection.Open());
        _index = Links.List(_connection).Single(link => name(link.Name)).Index;
    }

    /// <summary>
    /// The moment at which a packet leaves, and all bytes before it. The shaper lets a packet go as soon as those before it are paid for, so
    /// that between two such moments the rate has paid for exactly the bytes between them. A moment chosen by the clock would be wrong by up to
    /// a packet, which TCP makes as large as 64 KB: half a second's worth at 1 Mbit/s.
    /// </summary>
    /// <exception cref="TimeoutException">None leaves.</exception>
    public Reading AtPacket()
    {
        long begin = Stopwatch.GetTimestamp();
        for (long before = Read(); ; Thread.Sleep(1))
        {
            long bytes = Read();
            long now = Stopwatch.GetTimestamp();
            if (bytes != before)
            {
                return new Reading(now, before);
            }

            if (Stopwatch.GetElapsedTime(begin, now) > Patience)
            {
                throw new TimeoutException($"nothing has passed the shaper for {Patience.TotalSeconds} s");
            }
        }
    }

    public void Dispose() => _connection.Dispose();

    private long Read()
    {
        NetlinkBatch request = new(256);
        using (MessageWriter message = request.Message((ushort)RouteMessage.GetClass, MessageFlags.Dump, "read the class"))
        {
            message.Structure(new TcHeader { Index = _index });
        }

        long bytes = -1;
        _connection.Dump(
            request,
            received =>
            {
                if (received.Structure<TcHeader>().Handle != Shaper.Class)
                {
                    return;
                }

                foreach (ReceivedAttribute attribute in received.Attributes<TcHeader>())
                {
                    if (attribute.Type == Statistics)
                    {
                        foreach (ReceivedAttribute part in attribute.Nested)
                        {
                            bytes = part.Type == Basic ? BitConverter.ToInt64(part.Value) : bytes;
                        }
                    }
                }
            },
            () => bytes = -1);
        return bytes >= 0 ? bytes : throw new InvalidOperationException($"interface {_index} has no class {TcHandle.Format(Shaper.Class)} that counts");
    }
}
