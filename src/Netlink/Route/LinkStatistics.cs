using CniIsolator.Netlink.Protocol;

namespace CniIsolator.Netlink.Route;

/// <summary>Counters of links.</summary>
public static class LinkStatistics
{
    private const uint Link64Mask = 1; // IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64)

    /// <summary>
    /// Counters of every link by its index, in one dump that names nothing but counters (kernel 4.7).
    /// Equivalent to: <c>ip stats show group link</c>.
    /// </summary>
    public static Dictionary<int, LinkCounters> List(NetlinkConnection connection)
    {
        var counters = new Dictionary<int, LinkCounters>();
        Read(connection, counters);
        return counters;
    }

    /// <summary>As <see cref="List"/>, into a dictionary that is used again: what it had is forgotten.</summary>
    public static void Read(NetlinkConnection connection, Dictionary<int, LinkCounters> counters)
    {
        var request = new NetlinkBatch(256);
        using (var message = request.Message((ushort)RouteMessage.GetStatistics, MessageFlags.Dump, "list link statistics"))
        {
            message.Structure(new StatisticsHeader { FilterMask = Link64Mask });
        }

        connection.Dump(
            request,
            received =>
            {
                foreach (var attribute in received.Attributes<StatisticsHeader>())
                {
                    if ((StatisticsAttribute)attribute.Type == StatisticsAttribute.Link64)
                    {
                        counters[received.Structure<StatisticsHeader>().Index] = attribute.As<LinkCounters>();
                    }
                }
            },
            counters.Clear);
    }
}
