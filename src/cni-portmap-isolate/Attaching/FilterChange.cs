using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Tc;
using CniIsolator.Linux;

namespace CniIsolator.Plugin.Attaching;

/// <summary>
/// The way from one set of filters to another in two steps, additions and removals; between them both sets are in force, so that
/// what both let pass passes all the time.
/// </summary>
internal sealed class FilterChange
{
    private readonly List<U32Filter> _added;
    private readonly List<U32Filter> _removed;

    /// <summary>Equal handles at equal places stand for equal filters.</summary>
    public FilterChange(IEnumerable<U32Filter> before, IEnumerable<U32Filter> after)
    {
        List<U32Filter> old = [.. before];
        List<U32Filter> wanted = [.. after];
        _added = Without(wanted, old);
        _removed = Without(old, wanted);
    }

    private FilterChange(List<U32Filter> added, List<U32Filter> removed)
    {
        _added = added;
        _removed = removed;
    }

    public FilterChange Reversed => new(_removed, _added);

    /// <exception cref="NetlinkException">The kernel refused one.</exception>
    public void Add(NetlinkConnection connection, string operation, params ReadOnlySpan<Errno> tolerated)
    {
        var batch = new NetlinkBatch();
        foreach (var filter in _added)
        {
            U32Filters.Add(batch, filter, operation, tolerated);
        }

        Execute(connection, batch);
    }

    /// <summary>Removes what is there of it.</summary>
    public void Remove(NetlinkConnection connection, string operation)
    {
        var batch = new NetlinkBatch();
        foreach (var filter in _removed)
        {
            U32Filters.Delete(batch, filter.At, filter.Handle, operation);
        }

        Execute(connection, batch);
    }

    /// <summary>
    /// The same change without the removal of filters that the kernel has otherwise: they are not what was added, but stood in its way.
    /// </summary>
    public FilterChange WithoutStrangers(NetlinkConnection connection)
    {
        var found = new HashSet<string>();
        foreach (var at in _removed.ConvertAll(f => f.At).ToHashSet())
        {
            found.UnionWith(U32Filters.List(connection, at).ConvertAll(Describe));
        }

        return new FilterChange(_added, _removed.FindAll(f => found.Contains(Describe(f))));
    }

    private static string Describe(U32Filter filter) => $"{filter.At} {filter.Handle.AsRequested} {filter}";

    private static List<U32Filter> Without(List<U32Filter> filters, List<U32Filter> others)
    {
        var places = new HashSet<(FilterAttachment At, U32Handle Handle)>();
        others.ForEach(f => places.Add((f.At, f.Handle.AsRequested)));
        return filters.FindAll(f => !places.Contains((f.At, f.Handle.AsRequested)));
    }

    private static void Execute(NetlinkConnection connection, NetlinkBatch batch)
    {
        if (batch.Count > 0)
        {
            connection.ExecuteOrThrow(batch);
        }
    }
}
