using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState;

/// <summary>
/// What all containers of a host share: the demultiplexer's tables on the master and on the loopback, the loopback's
/// MAC, and two of its sysctls. The first container brings it, the last one takes it away.
/// </summary>
public static class HostDataPath
{
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(20);

    /// <summary>What the host's loopback carries now: it changes with the first container and with the last one.</summary>
    /// <exception cref="IsolationException">There is no loopback.</exception>
    public static MacAddress ReadLoopbackMac(NetlinkConnection host) =>
        (Links.Find(host, Hooks.Loopback) ?? throw new IsolationException(IsolationFault.FeatureMissing, "the host has no loopback interface")).Mac;

    /// <summary>What the host has before the first container comes: the note from which <see cref="Remove"/> works.</summary>
    public static HostRecord Describe(NetlinkConnection host, HostConfiguration facts, string hostNetns) => new()
    {
        HostNetns = hostNetns,
        Master = facts.Master.Name,
        MasterIfIndex = facts.Master.Index,
        CreatedMasterQdisc = !HasFilterQdisc(host, facts.Master),
        CreatedLoopbackQdisc = !Qdiscs.List(host, Hooks.Loopback).Exists(q => q.HoldsIngressFilters),
        LoopbackMac = ReadLoopbackMac(host).ToString(),
        Sysctls = new OrderedDictionary<string, string>(
            ((string[])[HostPlan.AcceptLocal, HostPlan.RouteLocalnet]).Select(name => KeyValuePair.Create(name, Sysctl.Read(name) ?? ""))),
    };

    /// <summary>A note of containers that share the host already, where the host has another master by now, or lacks what they have made.</summary>
    /// <param name="note">The note.</param>
    /// <param name="now">The host as it is now, from <see cref="Describe"/>.</param>
    public static HostRecord Follow(HostRecord note, HostRecord now) => note with
    {
        Master = now.Master,
        MasterIfIndex = now.MasterIfIndex,

        // A qdisc that is to be made now was somebody else's no more.
        CreatedMasterQdisc = now.CreatedMasterQdisc || (note.MasterIfIndex == now.MasterIfIndex && note.CreatedMasterQdisc),
        CreatedLoopbackQdisc = now.CreatedLoopbackQdisc || note.CreatedLoopbackQdisc,
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
        var now = Describe(host, facts, running.MadeOn.Netns);
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

        var isOurMac = now.LoopbackMac == running.Host.Mac || now.LoopbackMac == facts.Master.Mac.ToString();
        if (isOurMac)
        {
            assumed.Add("lo had no MAC before the first container, as in every new network namespace");
        }

        return new ReconstructedHost(
            now with
            {
                CreatedMasterQdisc = now.CreatedMasterQdisc || IsClsact(host, facts.Master.Index, assumed),
                CreatedLoopbackQdisc = now.CreatedLoopbackQdisc || IsClsact(host, Hooks.Loopback, assumed),
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
    /// <param name="values">What the containers share.</param>
    /// <param name="hostLoopback">Whether 127.0.0.1 is shared.</param>
    /// <param name="flows">Where the master's queues hang, if containers have one each.</param>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    /// <exception cref="IsolationException">Somebody else's qdisc stands where the master's queues should.</exception>
    public static void Ensure(NetlinkConnection host, HostValues values, bool hostLoopback, FlowClassifierParent? flows)
    {
        var kernel = new NamespaceKernel(host, Place.Host);
        new Reconciler(kernel).Apply(HostPlan.Of(values, hostLoopback, flows: null)).OrThrow();
        if (flows is { } parent)
        {
            EnsureFlows(host, kernel, HostPlan.Of(values, hostLoopback, parent).Only(o => IsOfFlows(o, values.MasterIndex)), values, parent);
        }
    }

    private static bool IsOfFlows(KernelObject planned, int master) =>
        planned is FlowQdiscState || (planned is FilterState filter && filter.Filter.At.Index == master && filter.Filter.At.Parent == UniqueFlows.Qdisc);

    private static void EnsureFlows(NetlinkConnection host, NamespaceKernel kernel, Plan plan, HostValues values, FlowClassifierParent parent)
    {
        var reconciler = new Reconciler(kernel);
        var refusals = reconciler.Apply(plan).Refusals;
        if (refusals.Count > 0 && Qdiscs.List(host, values.MasterIndex).Find(q => IsOurs(q) && q.Parent != parent.Handle) is { } misplaced)
        {
            // Of containers that had their queues elsewhere, and are gone.
            var elsewhere = new FlowQdiscState(values.Master, values.MasterIndex, new FlowClassifierParent(misplaced.Parent)) { Place = Place.Host };
            kernel.Apply([new Change(ChangeKind.Delete, elsewhere)]).OrThrow();
            refusals = reconciler.Apply(plan).Refusals;
        }

        if (refusals.Count == 0)
        {
            return;
        }

        // The kernel replaces nobody's qdisc unasked; whether there is ours already it does not say.
        var wanted = plan.Objects[0];
        if (kernel.Find(wanted) is { } found)
        {
            wanted.CanChange(found);
        }

        if (refusals[0] is { Change.Object: FlowQdiscState, Errno: Errno.NoEntry or Errno.Invalid } && !parent.IsRoot && !FeatureProbe.LacksFqCodel())
        {
            throw new IsolationException(
                IsolationFault.InvalidConfiguration,
                $"{FlowClassifierParent.Key}: \"{parent}\" is no class of {values.Master}",
                refusals[0].Exception.Message);
        }

        if (refusals.FirstOrDefault(r => r.Change.Object is not FlowQdiscState || r.Errno != Errno.Exists) is { } refusal)
        {
            throw refusal.Exception;
        }
    }

    private static bool IsOurs(Qdisc qdisc) => qdisc is { Kind: "fq_codel", Handle: UniqueFlows.Qdisc };

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
        // One that was renamed has our filters still; another interface that has got its index has not.
        if (Links.Find(host, record.MasterIfIndex) is { } master && (master.Name == record.Master || HasSharedFilters(host, master.Index)))
        {
            RemoveFilters(host, master.Index, record.CreatedMasterQdisc);
        }

        RemoveFilters(host, Hooks.Loopback, record.CreatedLoopbackQdisc);
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
            Links.SetMac(batch, Hooks.Loopback, mac, "put back the MAC of the host's loopback");
            host.ExecuteOrThrow(batch);
        }
    }

    private static bool HasSharedFilters(NetlinkConnection host, int index) =>
        OfOurs(index, U32Filters.ListPriorities(host, index, TcHandle.Ingress)).Count > 0;

    private static List<FilterAttachment> OfOurs(int index, List<(string Kind, ushort Priority, EthernetProtocol Protocol)> found) =>
        ((FilterAttachment[])[Hooks.Arp(index), Hooks.Internet(index)])
        .Where(p => found.Contains(("u32", p.Priority, p.Protocol))).ToList();

    private static void RemoveFilters(NetlinkConnection host, int index, bool ownQdisc)
    {
        var found = U32Filters.ListPriorities(host, index, TcHandle.Ingress);
        var ours = OfOurs(index, found);
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
        var shared = HostPlan.Tables(place.Index, InternetAddress.Loopback).Where(f => f.At == place).Select(f => f.Handle).ToHashSet();
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
            throw new IsolationException(
                IsolationFault.InvalidConfiguration,
                $"master \"{master.Name}\": its {qdisc.Kind} qdisc shares filter block {qdisc.IngressBlock} with other devices",
                "the block belongs to whoever made the qdisc, and the kernel takes filters for single devices no more; remove the shared block, or choose another master");
        }

        return qdisc is not null;
    }
}

/// <summary>A note that was written anew.</summary>
/// <param name="Note">The note.</param>
/// <param name="Assumed">What it says that nobody knows: a line for each.</param>
public sealed record ReconstructedHost(HostRecord Note, IReadOnlyList<string> Assumed);
