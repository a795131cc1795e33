using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Lifecycle;

/// <summary>What a container has sent and received, since its interface was made.</summary>
/// <param name="SentBytes">With Ethernet headers.</param>
/// <param name="SentPackets">Segments that left together count as one.</param>
/// <param name="ReceivedBytes">With Ethernet headers.</param>
/// <param name="ReceivedPackets">As above.</param>
public sealed record TrafficCounters(ulong SentBytes, ulong SentPackets, ulong ReceivedBytes, ulong ReceivedPackets)
{
    /// <summary>By index of the host's end. Empty without permission or kernel support: they are an extra.</summary>
    public static Dictionary<int, TrafficCounters> Read()
    {
        var found = new Dictionary<int, TrafficCounters>();
        try
        {
            using var connection = NetlinkConnection.Open();
            foreach (var (index, seen) in LinkStatistics.List(connection))
            {
                // Counted at the host's end, which receives what the container sends.
                found[index] = new TrafficCounters(seen.ReceivedBytes, seen.ReceivedPackets, seen.SentBytes, seen.SentPackets);
            }
        }
        catch (IOException)
        {
            found.Clear();
        }

        return found;
    }
}
