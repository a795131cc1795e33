using CniIsolator.DataPath;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState;

/// <summary>Entries among the shared filters, looked at without regard to whose they are.</summary>
public static class SharedEntries
{
    /// <summary>Takes containers out of the demultiplexer.</summary>
    /// <param name="kernel">The host.</param>
    /// <param name="plans">The containers' entries.</param>
    /// <param name="keep">Entries that are not theirs, since making them failed.</param>
    /// <exception cref="IOException">The kernel refused.</exception>
    public static void Remove(IKernel kernel, IEnumerable<Plan> plans, IReadOnlySet<ObjectKey>? keep = null) =>
        new Reconciler(kernel).Remove(plans.Select(p => p.Only(o => keep is null || !keep.Contains(o.Key)))).OrThrow();

    /// <summary>All entries of a device that send packets to another one.</summary>
    public static IEnumerable<FilterState> List(NetlinkConnection host, int device, string name) =>
        ((FilterAttachment[])[Hooks.Arp(device), Hooks.Internet(device)])
        .SelectMany(at => U32Filters.List(host, at))
        .Select(f => new FilterState(name, f) { Place = Place.Host })
        .Where(f => f.Target is not null);

    /// <summary>The master's entries that choose a queue.</summary>
    public static IEnumerable<FilterState> ListFlows(NetlinkConnection host, int master, string name) =>
        U32Filters.List(host, Hooks.Internet(master, UniqueFlows.Qdisc))
            .Select(f => new FilterState(name, f) { Place = Place.Host })
            .Where(f => f.Filter is U32Node { Class: { } id } && id >> 16 == UniqueFlows.Qdisc >> 16 && (id & 0xffff) is >= Ipam.FlowNumber.First and <= Ipam.FlowNumber.Last);

    /// <summary>Removes every entry of these devices that leads to another, or to one that is gone (0): for an attachment without a record.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    public static void RemoveLeadingTo(NetlinkConnection host, IEnumerable<int> devices, int target)
    {
        foreach (var device in devices)
        {
            Delete(host, List(host, device, $"interface {device}").Where(f => f.Target == target));
        }
    }

    /// <summary>Removes every entry that puts packets into a container's queue on the master; 0 is no queue.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    public static void RemoveOfFlow(NetlinkConnection host, int master, int flow)
    {
        if (flow != 0)
        {
            Delete(host, ListFlows(host, master, $"interface {master}").Where(f => f.Filter is U32Node node && node.Class == (UniqueFlows.Qdisc | (uint)flow)));
        }
    }

    /// <summary>Removes entries; those that are gone meanwhile are passed over.</summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    public static void Delete(NetlinkConnection host, IEnumerable<FilterState> entries) =>
        new NamespaceKernel(host, Place.Host).Apply([.. entries.Select(e => new Change(ChangeKind.Delete, e))]).OrThrow();
}
