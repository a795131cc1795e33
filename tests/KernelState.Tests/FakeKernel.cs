using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState.Tests;

/// <summary>
/// A kernel that is a list. It is as strict as the real one: it makes nothing twice and nothing without what it hangs on, takes with a qdisc or a
/// link all that hangs on it, and keeps a table that is in use.
/// </summary>
internal sealed class FakeKernel : IKernel
{
    private readonly OrderedDictionary<ObjectKey, KernelObject> _objects = [];

    /// <summary>One that waits for nothing: here nothing is busy for a while only.</summary>
    public Reconciler Reconciler => new(this) { Patience = TimeSpan.Zero };

    /// <summary>Everything that it was asked to do.</summary>
    public List<Change> Changes { get; } = [];

    /// <summary>What it refuses beyond what it must; null for nothing.</summary>
    public Func<Change, Errno?> Refuse { get; set; } = _ => null;

    /// <summary>What it has.</summary>
    public IReadOnlyList<KernelObject> Objects => [.. _objects.Values];

    public KernelObject? Find(KernelObject planned) => _objects.GetValueOrDefault(planned.Key);

    public IReadOnlyList<KernelObject> List(Territory territory) => territory switch
    {
        FilterTerritory filters => [.. _objects.Values.OfType<FilterState>().Where(f => f.Filter.At == filters.At)],
        HookTerritory hook => [.. _objects.Values.SelectMany(o => AsForeign(o, hook)).DistinctBy(f => f.Key)],
        AddressTerritory addresses => [.. _objects.Values.OfType<AddressState>().Where(a => a.Address.Index == addresses.Index)],
        RouteTerritory routes => [.. _objects.Values.OfType<RouteState>().Where(r => r.Index == routes.Index)],
        LimitTerritory limit => [.. _objects.Values.OfType<RootQdiscState>().Where(r => r.Index == limit.Index)],
        _ => throw new NotSupportedException($"{territory.GetType().Name} is not known here"),
    };

    /// <summary>Messages that stand side by side are all tried, as in the kernel's batch; what comes after a refusal is not.</summary>
    public Outcome Apply(IReadOnlyList<Change> changes)
    {
        List<Refusal> refusals = [];
        List<KernelObject> lacking = [];
        bool isInBatch = false;
        foreach (Change change in changes)
        {
            if (refusals.Count > 0 && !(isInBatch && change.Object.IsMessage))
            {
                break;
            }

            isInBatch = change.Object.IsMessage;
            Changes.Add(change);
            if ((Refuse(change) ?? Execute(change)) is not { } errno)
            {
                continue;
            }

            if (change is { Kind: ChangeKind.Create or ChangeKind.Change, Object.IsOptional: true } && errno == Errno.NoEntry)
            {
                lacking.Add(change.Object);
            }
            else
            {
                refusals.Add(new Refusal(change, errno, new NetlinkException($"{change.Kind} {change.Object.Subject}", errno)));
            }
        }

        return new Outcome(refusals, lacking);
    }

    /// <summary>Puts something there behind everybody's back.</summary>
    public void Put(KernelObject there) => _objects[there.Key] = there;

    /// <summary>Takes something away behind everybody's back, with all that goes with it. Returns what went.</summary>
    public IReadOnlyList<KernelObject> Take(KernelObject gone)
    {
        List<KernelObject> taken = [];
        Queue<KernelObject> waiting = new([gone]);
        while (waiting.TryDequeue(out KernelObject? next))
        {
            if (_objects.Remove(next.Key))
            {
                taken.Add(next);
                _objects.Values.Where(o => GoesWith(o, next)).ToList().ForEach(waiting.Enqueue);
            }
        }

        return taken;
    }

    private static bool GoesWith(KernelObject falling, KernelObject carrier) =>
        falling.FallsWith(carrier) || carrier switch
        {
            VethState veth => IsOn(falling, veth.Name, veth.Index),
            LinkState link => IsOn(falling, link.Name, link.Index),
            ClassState limit => falling is QueueState queue && queue.Index == limit.Index,
            AddressState address => falling is RouteState route && route.Index == address.Address.Index,
            _ => false,
        };

    private static bool IsOn(KernelObject one, string device, int index) => one switch
    {
        FilterState filter => filter.Filter.At.Index == index,
        VethState veth => veth.Index == index,
        LinkState link => link.Index == index,
        AddressState address => address.Address.Index == index,
        RouteState route => route.Index == index,
        GatewayState gateway => gateway.Index == index,
        SysctlState sysctl => sysctl.Name.Contains($"/conf/{device}/", StringComparison.Ordinal),
        OffloadState offload => offload.Device == device,
        _ => one.Needs(index),
    };

    private static IEnumerable<KernelObject> AsForeign(KernelObject one, HookTerritory hook) => one switch
    {
        ForeignFilterState foreign when foreign.At.Index == hook.Index => [foreign],
        ProgramState program when program.At.Index == hook.Index => [new ForeignFilterState(hook.Device, program.At, program.Kind) { Place = one.Place }],
        FilterState filter when filter.Filter.At.Index == hook.Index => [new ForeignFilterState(hook.Device, filter.Filter.At, "u32") { Place = one.Place }],
        _ => [],
    };

    // What is there by itself, or is written over.
    private static bool IsSet(KernelObject one) => one is LinkState or SysctlState or OffloadState or GatewayState or MasterState;

    // Whose removal is nothing: it stays as it is, or goes with something else.
    private static bool Stays(KernelObject one) => one is ClassState or SysctlState or OffloadState or GatewayState or MasterState;

    private Errno? Execute(Change change)
    {
        KernelObject wanted = change.Object;
        switch (change.Kind)
        {
            case ChangeKind.Create when wanted is PlainQueueState:
                return null; // The kernel does not show the queue that htb brings.
            case ChangeKind.Create when !HasGround(wanted):
                return Errno.Invalid;
            case ChangeKind.Create when _objects.ContainsKey(wanted.Key) && !IsSet(wanted):
                return wanted.MayExist ? null : Errno.Exists;
            case ChangeKind.Change when !_objects.ContainsKey(wanted.Key):
                return Errno.NoEntry;
            case ChangeKind.Create or ChangeKind.Change:
                _objects[wanted.Key] = wanted;
                return null;
            case ChangeKind.Delete:
                return Delete(wanted);
            default:
                LinkState link = (LinkState)_objects[wanted.Key];
                _objects[wanted.Key] = link with { IsUp = false };
                return null;
        }
    }

    private Errno? Delete(KernelObject doomed)
    {
        if (!_objects.TryGetValue(doomed.Key, out KernelObject? there) || Stays(doomed) || HandleOf(there) != HandleOf(doomed))
        {
            return null;
        }

        if (there.RemovalRank > 1)
        {
            Take(there);
            return null;
        }

        if (there is FilterState { Filter: U32Table } && _objects.Values.Any(o => o.FallsWith(there)))
        {
            return Errno.Busy;
        }

        _objects.Remove(there.Key);
        return null;
    }

    // A qdisc is removed by its handle: another one in its place stays.
    private static uint HandleOf(KernelObject one) => one switch
    {
        RootQdiscState root => root.Handle,
        FlowQdiscState flows => flows.Handle,
        QueueState queue => queue.Handle,
        _ => 0,
    };

    private bool HasGround(KernelObject wanted) => wanted switch
    {
        FilterState { Filter: var filter } => HasHook(filter.At) && HasTables(filter),
        ProgramState program => HasHook(program.At),
        ClassState limit => _objects.Values.Any(o => o is RootQdiscState root && root.Index == limit.Index),
        QueueState queue => _objects.Values.Any(o => o is ClassState limit && limit.Index == queue.Index),
        AddressState address => HasVeth(address.Address.Index),
        GatewayState gateway => HasVeth(gateway.Index),
        RouteState route => _objects.Values.Any(o => o is AddressState address && address.Address.Index == route.Index),
        _ => true,
    };

    private bool HasVeth(int index) => _objects.Values.Any(o => o is VethState veth && veth.Index == index);

    private bool HasHook(FilterAttachment at) => _objects.Values.Any(o => at.Parent == TcHandle.Ingress
        ? o is HookState hook && hook.Index == at.Index
        : o is FlowQdiscState flows && flows.Index == at.Index && flows.Handle == at.Parent);

    private bool HasTables(U32Filter filter) =>
        filter is not U32Node node || (HasTable(node.At, node.Handle.AsRequested.Table) && (node.Link is null || HasTable(node.At, node.Link.Table)));

    private bool HasTable(FilterAttachment at, int table) =>
        table == 0 || _objects.Values.Any(o => o is FilterState { Filter: U32Table found } && found.At == at && found.Handle.Table == table);
}
