using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.DataPath;

namespace CniIsolator.Plugin.Attaching;

/// <summary>
/// What all containers of a host share: the demultiplexer's tables on the master and on the loopback, the loopback's
/// MAC, and two of its sysctls. The first container brings it, the last one takes it away.
/// </summary>
internal static class SharedHostState
{
    /// <summary>
    /// A packet redirected to the loopback has a source address of this host, and no route attached any more:
    /// without accept_local the kernel takes it for spoofed.
    /// </summary>
    public const string AcceptLocal = "net/ipv4/conf/lo/accept_local";

    /// <summary>Likewise for 127.0.0.1, which is otherwise refused even on the loopback once its route is gone.</summary>
    public const string RouteLocalnet = "net/ipv4/conf/lo/route_localnet";

    // A foreign object in the way of a table or node is told from our own by listing, see Verify in the callers;
    // ENOSPC is how u32 says that a node number of the root table is in use.
    private static readonly Errno[] AlreadyThere = [Errno.Exists, Errno.NoSpace];

    /// <summary>What the host has before the first container comes: the note from which <see cref="Remove"/> works.</summary>
    public static HostRecord Describe(NetlinkConnection host, HostFacts facts, string hostNetns) => new()
    {
        HostNetns = hostNetns,
        Master = facts.Master.Name,
        MasterIfIndex = facts.Master.Index,
        CreatedMasterQdisc = !HasFilterQdisc(host, facts.Master),
        CreatedLoopbackQdisc = !Qdiscs.List(host, FilterPlaces.Loopback).Exists(q => q.HoldsIngressFilters),
        LoopbackMac = facts.LoopbackMac.ToString(),
        Sysctls = new OrderedDictionary<string, string>(
            ((string[])[AcceptLocal, RouteLocalnet]).Select(name => KeyValuePair.Create(name, Sysctl.Read(name) ?? ""))),
    };

    /// <summary>Makes whatever of it is missing. Safe beside another process that does the same.</summary>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public static void Ensure(NetlinkConnection host, HostFacts facts, bool hostLoopback)
    {
        foreach (var name in hostLoopback ? (string[])[AcceptLocal, RouteLocalnet] : [AcceptLocal])
        {
            if (Sysctl.Read(name) != "1")
            {
                Sysctl.Write(name, "1");
            }
        }

        var batch = new NetlinkBatch();
        if (facts.LoopbackMac != facts.Master.Mac)
        {
            // Frames that go from the loopback to a container keep their destination MAC, and the container's
            // interface drops what is not for its own.
            Links.SetMac(batch, FilterPlaces.Loopback, facts.Master.Mac, "set the MAC of the host's loopback");
        }

        Qdiscs.AddClsact(batch, facts.Master.Index, $"add clsact to {facts.Master.Name}", Errno.Exists);
        Qdiscs.AddClsact(batch, FilterPlaces.Loopback, "add clsact to lo", Errno.Exists);
        foreach (var filter in All(facts.Master.Index, facts.Address.Address))
        {
            U32Filters.Add(batch, filter, "add the shared filters", AlreadyThere);
        }

        host.ExecuteOrThrow(batch);
    }

    /// <summary>All shared filters, to make and to compare with.</summary>
    public static IEnumerable<U32Filter> All(int master, InternetAddress address) =>
        PortDemultiplexer.SharedOnMaster(master, address).Concat(PortDemultiplexer.SharedOnLoopback(address));

    /// <summary>Puts the host back as the note says it was. What is gone already is passed over.</summary>
    public static void Remove(NetlinkConnection host, HostRecord record)
    {
        if (Links.Find(host, record.MasterIfIndex) is { } master && master.Name == record.Master)
        {
            RemoveFilters(host, master.Index, record.CreatedMasterQdisc);
        }

        RemoveFilters(host, FilterPlaces.Loopback, record.CreatedLoopbackQdisc);
        var mac = MacAddress.Parse(record.LoopbackMac);

        // The zeros that a loopback begins with cannot be put back: the kernel refuses them. Nothing depends on them.
        if (!mac.IsZero)
        {
            var batch = new NetlinkBatch(256);
            Links.SetMac(batch, FilterPlaces.Loopback, mac, "put back the MAC of the host's loopback");
            host.ExecuteOrThrow(batch);
        }

        foreach (var (name, value) in record.Sysctls)
        {
            if (value.Length > 0 && Sysctl.Read(name) != value)
            {
                Sysctl.Write(name, value);
            }
        }
    }

    private static void RemoveFilters(NetlinkConnection host, int index, bool ownQdisc)
    {
        var batch = new NetlinkBatch();
        var foreign = U32Filters.ListPriorities(host, index, TcHandle.Ingress)
            .Exists(f => f.Priority is not (FilterPlaces.ArpPriority or FilterPlaces.InternetPriority))
            || U32Filters.ListPriorities(host, index, TcHandle.Egress).Count > 0;
        if (ownQdisc && !foreign)
        {
            Qdiscs.DeleteClsact(batch, index, "remove clsact");
            host.ExecuteOrThrow(batch);
            return;
        }

        // Tables live on under another owner's u32 filters of the same hook, so each goes by itself: nodes first,
        // for the kernel keeps a table that is linked to.
        foreach (var place in (FilterAttachment[])[FilterPlaces.Arp(index), FilterPlaces.Internet(index)])
        {
            var filters = U32Filters.List(host, place);
            foreach (var filter in filters.OrderBy(f => f is U32Table))
            {
                U32Filters.Delete(batch, place, filter.Handle, "remove the shared filters");
            }

            U32Filters.DeletePriority(batch, place, "remove the shared filters");
        }

        host.ExecuteOrThrow(batch);
    }

    private static bool HasFilterQdisc(NetlinkConnection host, Link master)
    {
        var qdisc = Qdiscs.List(host, master.Index).Find(q => q.HoldsIngressFilters);
        if (qdisc is { IngressBlock: > 0 })
        {
            throw new CniException(
                CniErrorCode.InvalidNetworkConfig,
                $"master \"{master.Name}\": its {qdisc.Kind} qdisc shares filter block {qdisc.IngressBlock} with other devices",
                "the block belongs to whoever made the qdisc, and the kernel takes filters for single devices no more; remove the shared block, or choose another master");
        }

        return qdisc is not null;
    }
}
