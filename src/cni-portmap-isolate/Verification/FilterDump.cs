using CniIsolator.Netlink;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Plugin.Verification;

/// <summary>
/// Filters as the kernel has them at one moment. Each place is read once: the shared tables have entries of every container of the host,
/// and whoever compares all containers would read them all for each.
/// </summary>
internal sealed class FilterDump(NetlinkConnection connection)
{
    private readonly Dictionary<FilterAttachment, List<U32Filter>> _places = [];

    public NetlinkConnection Connection => connection;

    public List<U32Filter> List(FilterAttachment at)
    {
        if (!_places.TryGetValue(at, out var filters))
        {
            filters = U32Filters.List(connection, at);
            _places.Add(at, filters);
        }

        return filters;
    }
}
