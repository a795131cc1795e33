using System.Diagnostics;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.DataPath;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Shaping;

/// <summary>What a class had sent at a moment.</summary>
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
    /// The moment after a packet has left: between two of these exactly the packets that left in that time were paid for, where a
    /// moment chosen by the clock would be wrong by up to a packet, and at a low rate that is a lot.
    /// </summary>
    /// <exception cref="TimeoutException">None leaves.</exception>
    public Reading AfterPacket()
    {
        long begin = Stopwatch.GetTimestamp();
        for (long before = Read(); ; Thread.Sleep(1))
        {
            long bytes = Read();
            long now = Stopwatch.GetTimestamp();
            if (bytes != before)
            {
                return new Reading(now, bytes);
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
