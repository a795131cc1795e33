extern alias plugin;

using CniIsolator.DataPath;
using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Tc;
using CniIsolator.Testbed;
using plugin::CniIsolator.KernelState.Objects;
using plugin::CniIsolator.KernelState.Observation;
using plugin::CniIsolator.KernelState.Plans;

namespace CniIsolator.Lifecycle.Tests.Completeness;

/// <summary>Tampering with u32 filters, which is beyond what tc can say: `tc` makes no table without nodes.</summary>
internal static class FilterTampering
{
    public static IEnumerable<Tampering> Of(FilterState planned)
    {
        yield return new Tampering(null, scene => scene.Run(planned.Place, (_, kernel) => Remove(planned, kernel)));
        yield return new Tampering("", scene => scene.Run(planned.Place, (connection, kernel) =>
        {
            Remove(planned, kernel);
            NetlinkBatch batch = new();
            U32Filters.Add(batch, Otherwise(planned.Filter), "add a filter of another effect");
            connection.ExecuteOrThrow(batch);
            return true;
        }));
    }

    /// <summary>What tells sorts of filters of one hook from each other: of each sort one is taken for all.</summary>
    public static (FilterAttachment At, int Table, bool IsTable, bool IsAction, bool IsClass, int? Link) SortOf(FilterState one)
    {
        U32Node? node = one.Filter as U32Node;
        return (one.Filter.At, one.Filter.Handle.AsRequested.Table, node is null, node?.Action is not null, node?.Class is not null, node?.Link?.Table);
    }

    /// <summary>A table goes only when no packet can be on its way through it any more.</summary>
    private static bool Remove(FilterState planned, NamespaceKernel kernel)
    {
        // The kernel knows a root table by another number than a plan does.
        KernelObject there = kernel.Find(planned) ?? throw new InvalidOperationException($"{planned.Subject} is not there");

        // Entries of all containers are in the shared tables.
        List<FilterState> falling = [.. kernel.List(new FilterTerritory(planned.Device, planned.Filter.At)).OfType<FilterState>().Where(f => f.FallsWith(planned))];
        kernel.Apply([.. falling.Select(f => new Change(ChangeKind.Delete, f))]).OrThrow();
        Wait.Until(
            () =>
            {
                IReadOnlyList<Refusal> refusals = kernel.Apply([new Change(ChangeKind.Delete, there)]).Refusals;
                return refusals.Count == 0 || (refusals[0].Errno == Errno.Busy ? false : throw refusals[0].Exception);
            },
            $"{planned.Subject} to go");
        return true;
    }

    private static U32Filter Otherwise(U32Filter filter) => filter switch
    {
        U32Table table => table with { Divisor = table.Divisor == 1 ? 2 : 1 },
        U32Node { Action: { } action } node => node with { Action = action.Target == Hooks.Loopback ? null : Mirred.Redirect(Hooks.Loopback) },
        U32Node { Class: { } queue } node => node with { Class = queue ^ 1 },
        U32Node { Link: not null } node => node with { Link = null },
        U32Node node => node with { Action = Mirred.Redirect(Hooks.Loopback) },
        _ => throw new InvalidOperationException($"neither table nor node: {filter}"),
    };
}
