using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Plugin.Repairing;

/// <summary>
/// Brings the filters of a place to what they should be: adds what is missing, replaces what is otherwise, removes what is strange. What is
/// as it should be is not touched, so that packets that find it go on, and are counted on.
/// </summary>
internal static class FilterRepair
{
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(2);

    /// <param name="connection">A connection into the devices' namespace. The qdiscs are there.</param>
    /// <param name="expected">What there should be, in the order in which it must be made.</param>
    /// <param name="isStrange">Whether one that is not expected has to go.</param>
    /// <param name="operation">For error messages.</param>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public static void Converge(NetlinkConnection connection, IEnumerable<U32Filter> expected, Func<U32Filter, bool> isStrange, string operation)
    {
        foreach (var place in expected.GroupBy(f => f.At))
        {
            var wanted = place.ToList();

            // A table is busy until no packet can be on its way through it any more. What stays busy the comparison afterwards tells.
            SpinWait.SpinUntil(() => TryConverge(connection, place.Key, wanted, isStrange, operation), LongestDelay);
        }
    }

    /// <summary>Whether something is there that is not expected, or is otherwise: more than a mere lack.</summary>
    public static bool HasStrange(NetlinkConnection connection, IEnumerable<U32Filter> expected, Func<U32Filter, bool> isStrange)
    {
        foreach (var place in expected.GroupBy(f => f.At))
        {
            var wanted = new Dictionary<U32Handle, string>();
            foreach (var filter in place)
            {
                wanted[filter.Handle] = filter.ToString()!;
            }

            if (U32Filters.List(connection, place.Key).Exists(f => isStrange(f) && (!wanted.TryGetValue(f.Handle.AsRequested, out var text) || text != f.ToString())))
            {
                return true;
            }
        }

        return false;
    }

    private static bool TryConverge(NetlinkConnection connection, FilterAttachment at, List<U32Filter> wanted, Func<U32Filter, bool> isStrange, string operation)
    {
        var found = new Dictionary<U32Handle, U32Filter>();
        U32Filters.List(connection, at).ForEach(f => found[f.Handle.AsRequested] = f);
        var handles = wanted.ConvertAll(f => f.Handle).ToHashSet();
        var wrong = wanted.FindAll(f => found.TryGetValue(f.Handle, out var actual) && actual.ToString() != f.ToString()).ConvertAll(f => found[f.Handle]);
        wrong.AddRange(found.Values.Where(f => !handles.Contains(f.Handle.AsRequested) && isStrange(f)));

        // A table goes only without its nodes, and without those that lead to it.
        var tables = wrong.OfType<U32Table>().Select(t => t.Handle.Table).ToHashSet();
        var doomed = found.Values.Where(f => wrong.Contains(f) || (f is U32Node node && (tables.Contains(node.Handle.Table) || (node.Link is { } link && tables.Contains(link.Table))))).ToList();
        var removal = new NetlinkBatch();
        foreach (var filter in doomed.OrderBy(f => f is U32Table))
        {
            U32Filters.Delete(removal, at, filter.Handle, operation);
        }

        var failures = removal.Count == 0 ? [] : connection.Execute(removal);
        if (failures.FirstOrDefault(f => f.Errno != Errno.Busy) is { } failure)
        {
            throw failure.ToException();
        }

        var gone = doomed.ConvertAll(f => f.Handle.AsRequested).ToHashSet();
        var addition = new NetlinkBatch();
        foreach (var filter in wanted.FindAll(f => !found.ContainsKey(f.Handle) || gone.Contains(f.Handle)))
        {
            // In the shared tables another process may be making the same; ENOSPC is how u32 says that a node of the root table is in use.
            U32Filters.Add(addition, filter, operation, Errno.Exists, Errno.NoSpace);
        }

        if (addition.Count > 0)
        {
            connection.ExecuteOrThrow(addition);
        }

        return failures.Count == 0;
    }
}
