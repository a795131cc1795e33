using System.Diagnostics;
using System.Globalization;

namespace CniIsolator.Testbed;

/// <summary>
/// Shows that no packet runs in circles: a redirect lowers no TTL, so one packet in a loop keeps a processor busy for ever while everything
/// else seems to work.
/// </summary>
public static class Softirq
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    /// <summary>
    /// Waits until the interfaces of these namespaces are quiet, and returns whether they fell so within the limit. This does not mind
    /// what the rest of the machine does. A packet in a loop passes an interface some hundred thousand times a second; a resting
    /// network with IPv6 has a few packets.
    /// </summary>
    public static bool WaitForQuiet(IEnumerable<Namespace> places, TimeSpan? limit = null, int packetsPerSecond = 500)
    {
        Namespace[] all = [.. places];
        return FallsBelow(() => all.Sum(Packets), packetsPerSecond, limit);
    }

    /// <summary>The same for all namespaces of a topology.</summary>
    public static bool WaitForQuiet(Topology topology, TimeSpan? limit = null)
    {
        ArgumentNullException.ThrowIfNull(topology);
        return WaitForQuiet([topology.Host, topology.Out, .. topology.Containers, .. topology.Transit is { } transit ? [transit] : Array.Empty<Namespace>()], limit);
    }

    /// <summary>Waits until the whole machine's NET_RX softirqs are idle, and returns whether they fell so within the limit.</summary>
    public static bool WaitForIdle(TimeSpan? limit = null, int softirqsPerSecond = 5000) => FallsBelow(NetReceive, softirqsPerSecond, limit);

    /// <summary>NET_RX softirqs so far, of all processors.</summary>
    public static long NetReceive() => File.ReadLines("/proc/softirqs").First(line => line.TrimStart().StartsWith("NET_RX:", StringComparison.Ordinal))
        .Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Sum(count => long.Parse(count, CultureInfo.InvariantCulture));

    /// <summary>Time spent in softirqs so far, of all processors.</summary>
    public static TimeSpan Time() => TimeSpan.FromMilliseconds(10 * long.Parse(
        File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[7], CultureInfo.InvariantCulture));

    /// <summary>Packets received and sent so far by all interfaces of a namespace.</summary>
    public static long Packets(Namespace place)
    {
        ArgumentNullException.ThrowIfNull(place);
        return place.Run(() => File.ReadLines("/proc/thread-self/net/dev").Skip(2).Sum(line =>
        {
            string[] fields = line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return long.Parse(fields[1], CultureInfo.InvariantCulture) + long.Parse(fields[9], CultureInfo.InvariantCulture);
        }));
    }

    private static bool FallsBelow(Func<long> count, int perSecond, TimeSpan? limit)
    {
        Stopwatch watch = Stopwatch.StartNew();
        while (true)
        {
            // A rate needs two readings with a time between them: the one pause here that waits for nothing else.
            long before = count();
            Stopwatch between = Stopwatch.StartNew();
            Thread.Sleep(Interval);
            if ((count() - before) / between.Elapsed.TotalSeconds <= perSecond)
            {
                return true;
            }

            if (watch.Elapsed > (limit ?? Wait.Patience))
            {
                return false;
            }
        }
    }
}
