using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Exporter.Sampling;

/// <summary>What came to a range of a container's ports, from outside and from this host, since the filters for it were made.</summary>
/// <param name="Protocol">Null for the slice, whose ports are owned for every protocol.</param>
/// <param name="Ports">The range.</param>
/// <param name="Bytes">Without Ethernet headers.</param>
/// <param name="Packets">A segment that is cut up later counts as the packets that it becomes.</param>
internal sealed record PortTraffic(TransportProtocol? Protocol, PortRange Ports, ulong Bytes, ulong Packets)
{
    /// <summary>Reads the counters of all filters that deliver to containers: the kernel has no way to list the counters alone.</summary>
    /// <param name="connection">A connection on the host.</param>
    /// <param name="masters">Indexes of the interfaces whose address is shared.</param>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public static Dictionary<U32Handle, QueueStatistics> ReadFilters(NetlinkConnection connection, IEnumerable<int> masters)
    {
        var counters = new Dictionary<U32Handle, QueueStatistics>();
        foreach (var device in (IEnumerable<int>)[Hooks.Loopback, .. masters])
        {
            foreach (var filter in U32Filters.ListStatistics(connection, Hooks.Internet(device)))
            {
                var sum = counters.GetValueOrDefault(filter.Handle);
                counters[filter.Handle] = sum with { Bytes = sum.Bytes + filter.Counters.Bytes, Packets = sum.Packets + filter.Counters.Packets };
            }
        }

        return counters;
    }

    /// <summary>One container's ranges: its slice, then its fixed ports.</summary>
    public static List<PortTraffic> Of(Attachment attachment, Dictionary<U32Handle, QueueStatistics> filters)
    {
        var traffic = new List<PortTraffic>();
        foreach (var delivery in PortDemultiplexer.Deliveries(attachment.Ports.Slice, attachment.Ports.Claims))
        {
            if (!filters.TryGetValue(delivery.Handle, out var counters))
            {
                continue;
            }

            if (traffic.Count > 0 && traffic[^1] is var last && last.Protocol == delivery.Protocol && last.Ports == delivery.Ports)
            {
                traffic[^1] = last with { Bytes = last.Bytes + counters.Bytes, Packets = last.Packets + counters.Packets };
            }
            else
            {
                traffic.Add(new PortTraffic(delivery.Protocol, delivery.Ports, counters.Bytes, counters.Packets));
            }
        }

        return traffic;
    }
}
