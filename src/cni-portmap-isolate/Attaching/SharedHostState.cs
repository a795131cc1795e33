using CniIsolator.Cni;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.Configuration;

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

    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(20);

    // Another ADD may be making the same at the same time; ENOSPC is how u32 says that a node number of the root table
    // is in use. That what is there is ours, CHECK finds out.
    private static readonly Errno[] AlreadyThere = [Errno.Exists, Errno.NoSpace];

    /// <summary>What the host has before the first container comes: the note from which <see cref="Remove"/> works.</summary>
    public static HostRecord Describe(NetlinkConnection host, HostConfiguration facts, string hostNetns) => new()
    {
        HostNetns = hostNetns,
        Master = facts.Master.Name,
        MasterIfIndex = facts.Master.Index,
        CreatedMasterQdisc = !HasFilterQdisc(host, facts.Master),
        CreatedLoopbackQdisc = !Qdiscs.List(host, FilterPlaces.Loopback).Exists(q => q.HoldsIngressFilters),
        LoopbackMac = HostConfiguration.ReadLoopbackMac(host).ToString(),
        Sysctls = new OrderedDictionary<string, string>(
            ((string[])[AcceptLocal, RouteLocalnet]).Select(name => KeyValuePair.Create(name, Sysctl.Read(name) ?? ""))),
    };

    /// <summary>
    /// The same where containers share the host already and the note was lost. What is now just as the plugin makes it is taken for made by it,
    /// and for having been before as the kernel makes it: else the plugin's own values would be put back when the last container goes.
    /// </summary>
    /// <param name="host">A connection into the host's namespace.</param>
    /// <param name="facts">The host.</param>
    /// <param name="running">A container that shares it.</param>
    public static ReconstructedHost Reconstruct(NetlinkConnection host, HostConfiguration facts, Attachment running)
    {
        var now = Describe(host, facts, running.HostNetns);
        var assumed = new List<string>();
        var sysctls = new OrderedDictionary<string, string>();
        foreach (var (name, value) in now.Sysctls)
        {
            sysctls[name] = value == "1" ? "0" : value;
            if (value == "1")
            {
                assumed.Add($"{name.Replace('/', '.')} was 0 before the first container, the kernel's default");
            }
        }

        var isOurMac = now.LoopbackMac == running.Mac || now.LoopbackMac == facts.Master.Mac.ToString();
        if (isOurMac)
        {
            assumed.Add("lo had no MAC before the first container, as in every new network namespace");
        }

        return new ReconstructedHost(
            now with
            {
                CreatedMasterQdisc = now.CreatedMasterQdisc || IsClsact(host, facts.Master.Index, assumed),
                CreatedLoopbackQdisc = now.CreatedLoopbackQdisc || IsClsact(host, FilterPlaces.Loopback, assumed),
                FlowParent = Qdiscs.List(host, facts.Master.Index).Find(IsOurs) is { } flows ? new FlowClassifierParent(flows.Parent).ToString() : null,
                LoopbackMac = isOurMac ? default(MacAddress).ToString() : now.LoopbackMac,
                Sysctls = sysctls,
            },
            assumed);
    }

    /// <summary>One that others use as well is not removed with the last container, whoever made it.</summary>
    private static bool IsClsact(NetlinkConnection host, int index, List<string> assumed)
    {
        if (!Qdiscs.List(host, index).Exists(q => q.HoldsIngressFilters && q.Kind == "clsact"))
        {
            return false;
        }

        assumed.Add($"clsact of {Links.Find(host, index)?.Name} came with the first container");
        return true;
    }

    /// <summary>Makes whatever of it is missing. Safe beside another process that does the same.</summary>
    /// <param name="host">A connection into the host's namespace.</param>
    /// <param name="facts">The host.</param>
    /// <param name="hostLoopback">Whether 127.0.0.1 is shared.</param>
    /// <param name="flows">Where the master's queues hang, if containers have one each.</param>
    /// <param name="hasMaster">Whether the master is there; without it the loopback's part alone is made.</param>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    /// <exception cref="CniException">Somebody else's qdisc stands where the master's queues should.</exception>
    public static void Ensure(NetlinkConnection host, HostConfiguration facts, bool hostLoopback, FlowClassifierParent? flows, bool hasMaster = true)
    {
        foreach (var name in hostLoopback ? (string[])[AcceptLocal, RouteLocalnet] : [AcceptLocal])
        {
            if (Sysctl.Read(name) != "1")
            {
                Sysctl.Write(name, "1");
            }
        }

        var batch = new NetlinkBatch();
        if (HostConfiguration.ReadLoopbackMac(host) != facts.Master.Mac)
        {
            // Frames that go from the loopback to a container keep their destination MAC, and the container's
            // interface drops what is not for its own.
            Links.SetMac(batch, FilterPlaces.Loopback, facts.Master.Mac, "set the MAC of the host's loopback");
        }

        if (hasMaster)
        {
            Qdiscs.AddClsact(batch, facts.Master.Index, $"add clsact to {facts.Master.Name}", Errno.Exists);
        }

        Qdiscs.AddClsact(batch, FilterPlaces.Loopback, "add clsact to lo", Errno.Exists);
        foreach (var filter in hasMaster ? All(facts.Master.Index, facts.Address.Address) : PortDemultiplexer.SharedOnLoopback(facts.Address.Address))
        {
            U32Filters.Add(batch, filter, "add the shared filters", AlreadyThere);
        }

        host.ExecuteOrThrow(batch);
        if (hasMaster && flows is { } parent)
        {
            EnsureFlows(host, facts, parent);
        }
    }

    private static void EnsureFlows(NetlinkConnection host, HostConfiguration facts, FlowClassifierParent parent)
    {
        var failures = TryMakeFlows(host, facts, parent);
        if (failures.Count > 0 && Qdiscs.List(host, facts.Master.Index).Find(q => IsOurs(q) && q.Parent != parent.Handle) is { } misplaced)
        {
            // Of containers that had their queues elsewhere, and are gone.
            var removal = new NetlinkBatch(256);
            Qdiscs.Delete(removal, facts.Master.Index, misplaced.Parent, UniqueFlows.Qdisc, $"remove fq_codel from {facts.Master.Name}");
            host.ExecuteOrThrow(removal);
            failures = TryMakeFlows(host, facts, parent);
        }

        if (failures.Count == 0)
        {
            return;
        }

        // The kernel replaces nobody's qdisc unasked; whether there is ours already it does not say.
        var found = Qdiscs.Find(host, facts.Master.Index, parent.Handle);
        if (found is not null && !IsOurs(found) && !found.IsDefault)
        {
            throw new CniException(
                CniErrorCode.InvalidNetworkConfig,
                $"{ConfigurationKeys.EgressUniqueFlowPerContainer}: {facts.Master.Name} has a qdisc {found.Kind} {TcHandle.Format(found.Handle)} at {parent} already",
                $"it is somebody else's and was left as it is; remove it, or name one of its classes as {ConfigurationKeys.EgressFlowClassifierParent}");
        }

        if (failures[0] is { Index: 0, Errno: Errno.NoEntry or Errno.Invalid } && !parent.IsRoot && !FeatureProbe.LacksFqCodel())
        {
            throw new CniException(
                CniErrorCode.InvalidNetworkConfig,
                $"{ConfigurationKeys.EgressFlowClassifierParent}: \"{parent}\" is no class of {facts.Master.Name}",
                failures[0].ToException().Message);
        }

        if (failures.FirstOrDefault(f => f.Index > 0 || f.Errno != Errno.Exists) is { } failure)
        {
            throw failure.ToException();
        }
    }

    private static IReadOnlyList<NetlinkFailure> TryMakeFlows(NetlinkConnection host, HostConfiguration facts, FlowClassifierParent parent)
    {
        var batch = new NetlinkBatch();
        UniqueFlows.AddQdisc(batch, facts.Master.Index, parent.Handle, $"add fq_codel to {facts.Master.Name}");
        foreach (var filter in UniqueFlows.Shared(facts.Master.Index, facts.Address.Address))
        {
            U32Filters.Add(batch, filter, "add the filters of the master's queues", AlreadyThere);
        }

        return host.Execute(batch);
    }

    private static bool IsOurs(Qdisc qdisc) => qdisc is { Kind: "fq_codel", Handle: UniqueFlows.Qdisc };

    /// <summary>All shared filters, to make and to compare with.</summary>
    public static IEnumerable<U32Filter> All(int master, InternetAddress address) =>
        PortDemultiplexer.SharedOnMaster(master, address).Concat(PortDemultiplexer.SharedOnLoopback(address));

    /// <summary>Takes away the master's queues, if the note says that there are any. Somebody else's qdisc in their place stays.</summary>
    public static void RemoveFlows(NetlinkConnection host, HostRecord record)
    {
        if (record.FlowParent is null || !FlowClassifierParent.TryParse(record.FlowParent, out var parent))
        {
            return;
        }

        if (Qdiscs.Find(host, record.MasterIfIndex, parent.Handle) is { } found && IsOurs(found))
        {
            var batch = new NetlinkBatch(256);
            Qdiscs.Delete(batch, record.MasterIfIndex, parent.Handle, UniqueFlows.Qdisc, $"remove fq_codel from {record.Master}");
            host.ExecuteOrThrow(batch);
        }
    }

    /// <summary>Puts the host back as the note says it was. What is gone already is passed over.</summary>
    public static void Remove(NetlinkConnection host, HostRecord record)
    {
        if (Links.Find(host, record.MasterIfIndex) is { } master && master.Name == record.Master)
        {
            RemoveFilters(host, master.Index, record.CreatedMasterQdisc);
        }

        RemoveFilters(host, FilterPlaces.Loopback, record.CreatedLoopbackQdisc);
        foreach (var (name, value) in record.Sysctls)
        {
            if (value.Length > 0 && Sysctl.Read(name) != value)
            {
                Sysctl.Write(name, value);
            }
        }

        // Last: a note beside which the loopback has another MAC than the master counts as one of an earlier boot, and is written anew.
        var mac = MacAddress.Parse(record.LoopbackMac);

        // The zeros that a loopback begins with cannot be put back: the kernel refuses them. Nothing depends on them.
        if (!mac.IsZero)
        {
            var batch = new NetlinkBatch(256);
            Links.SetMac(batch, FilterPlaces.Loopback, mac, "put back the MAC of the host's loopback");
            host.ExecuteOrThrow(batch);
        }
    }

    private static void RemoveFilters(NetlinkConnection host, int index, bool ownQdisc)
    {
        FilterAttachment[] places = [FilterPlaces.Arp(index), FilterPlaces.Internet(index)];
        var found = U32Filters.ListPriorities(host, index, TcHandle.Ingress);
        var ours = places.Where(p => found.Contains(("u32", p.Priority, p.Protocol))).ToList();
        var foreign = found.Count > ours.Count
            || U32Filters.ListPriorities(host, index, TcHandle.Egress).Count > 0
            || ours.Exists(p => Strangers(host, p, U32Filters.List(host, p)).Count > 0);
        if (!ownQdisc || foreign)
        {
            ours.ForEach(place => RemovePlace(host, place));
            return;
        }

        var batch = new NetlinkBatch();
        Qdiscs.DeleteClsact(batch, index, "remove clsact");
        host.ExecuteOrThrow(batch);
    }

    /// <summary>
    /// Tables live on under another owner's u32 filters of the same hook, so each goes by itself: nodes first, for the
    /// kernel keeps a table that is linked to. What somebody else put among ours stays, with its table.
    /// </summary>
    private static void RemovePlace(NetlinkConnection host, FilterAttachment place)
    {
        var filters = U32Filters.List(host, place);
        var strangers = Strangers(host, place, filters);
        var nodes = new NetlinkBatch();
        foreach (var node in filters.OfType<U32Node>().Except(strangers))
        {
            U32Filters.Delete(nodes, place, node.Handle, "remove the shared filters");
        }

        host.ExecuteOrThrow(nodes);
        RemoveTables(host, place, [.. filters.OfType<U32Table>().Where(t => !strangers.Exists(s => s.Handle.Table == t.Handle.Table))]);
        if (strangers.Count == 0)
        {
            var last = new NetlinkBatch(256);
            U32Filters.DeletePriority(last, place, "remove the shared filters");
            host.ExecuteOrThrow(last);
        }
    }

    /// <summary>
    /// The kernel counts a deleted node's link to a table until no packet can be on its way through it any more, and calls the table busy meanwhile:
    /// on a busy machine for seconds. One that somebody else links to is busy for ever, and is left to them.
    /// </summary>
    private static void RemoveTables(NetlinkConnection host, FilterAttachment place, List<U32Table> tables) => SpinWait.SpinUntil(
        () =>
        {
            var batch = new NetlinkBatch();
            foreach (var table in tables)
            {
                U32Filters.Delete(batch, place, table.Handle, "remove the shared tables");
            }

            var failures = host.Execute(batch);
            if (failures.FirstOrDefault(f => f.Errno != Errno.Busy) is { } failure)
            {
                throw failure.ToException();
            }

            tables = [.. failures.Select(f => tables[f.Index])];
            return tables.Count == 0 || IsLinkedTo(host, place, tables);
        },
        LongestDelay);

    /// <summary>Whether somebody's filters, of another priority of the same hook, lead to all of these.</summary>
    private static bool IsLinkedTo(NetlinkConnection host, FilterAttachment place, List<U32Table> tables)
    {
        var links = new HashSet<int>();
        var others = U32Filters.ListPriorities(host, place.Index, place.Parent).FindAll(p => p.Kind == "u32" && p.Priority != place.Priority);
        foreach (var (_, priority, protocol) in others)
        {
            var nodes = U32Filters.List(host, place with { Priority = priority, Protocol = protocol }).OfType<U32Node>();
            links.UnionWith(nodes.Select(n => n.Link?.Table ?? 0));
        }

        return tables.TrueForAll(table => links.Contains(table.Handle.Table));
    }

    /// <summary>Nodes that are not of the shared filters and lead to a device that exists: the last container's have gone.</summary>
    private static List<U32Node> Strangers(NetlinkConnection host, FilterAttachment place, List<U32Filter> filters)
    {
        var shared = All(place.Index, InternetAddress.Loopback).Where(f => f.At == place).Select(f => f.Handle).ToHashSet();
        return
        [
            .. filters.OfType<U32Node>().Where(n =>
                !shared.Contains(n.Handle.AsRequested) && n.Action is { Target: not 0 } action && Links.Find(host, action.Target) is not null),
        ];
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

/// <summary>A note that was written anew.</summary>
/// <param name="Note">The note.</param>
/// <param name="Assumed">What it says that nobody knows: a line for each.</param>
internal sealed record ReconstructedHost(HostRecord Note, IReadOnlyList<string> Assumed);
