using CniIsolator.DataPath;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState.Observation;

/// <summary>
/// One set of dumps of a namespace, each taken when it is first asked for: the shared tables have entries of every container of the host, and whoever
/// compares all containers would read them all for each.
/// </summary>
internal sealed class NamespaceDumps(NetlinkConnection connection, Place place)
{
    private readonly Dictionary<string, Link?> _links = [];
    private readonly Dictionary<int, List<LinkAddress>> _addresses = [];
    private readonly Dictionary<int, List<Qdisc>> _qdiscs = [];
    private readonly Dictionary<int, List<HtbClass>> _classes = [];
    private readonly Dictionary<FilterAttachment, Dictionary<U32Handle, U32Filter>> _filters = [];
    private readonly Dictionary<int, List<Classifier>> _hooks = [];
    private List<DefaultRoute>? _routes;
    private bool _isWhole;

    public void ReadWhole()
    {
        foreach (var link in Links.List(connection))
        {
            _links[link.Name] = link;
        }

        foreach (var device in Qdiscs.List(connection, index: 0).GroupBy(q => q.Index))
        {
            _qdiscs[device.Key] = [.. device];
        }

        _isWhole = true;
    }

    public Link? FindLink(string name)
    {
        if (!_links.TryGetValue(name, out var link))
        {
            link = _isWhole ? null : Links.Find(connection, name);
            _links.Add(name, link);
        }

        return link;
    }

    public KernelObject? Find(KernelObject planned) => planned switch
    {
        VethState veth => FindVeth(veth),
        LinkState link => FindLink(link.Name) is { } found ? LinkState.From(place, found) : null,
        AddressState address => FindAddress(address),
        RouteState route => FindRoute(route),
        SysctlState sysctl => Sysctl.Read(sysctl.Name) is { } value ? sysctl with { Value = value } : null,
        OffloadState offload => FindLink(offload.Device) is null ? null : offload with { LeavesChecksums = LinkSettings.LeavesChecksums(offload.Device) },
        HookState hook => FindHook(hook),
        RootQdiscState root => FindRoot(root),
        ClassState limit => ClassesOf(limit.Index).Find(c => c.Handle == limit.Class.Handle) is { } found ? limit with { Class = found } : null,
        QueueState queue => FindQueue(queue.Device, queue.Index),
        PlainQueueState queue => FindQueue(queue.Device, queue.Index),
        FlowQdiscState flows => FindFlows(flows),
        FilterState filter => FiltersAt(filter.Filter.At).TryGetValue(filter.Filter.Handle.AsRequested, out var found) ? filter with { Filter = found } : null,
        ProgramState program => FindProgram(program),
        MasterState master => MasterObservation.Find(connection, master),
        _ => null,
    };

    public IReadOnlyList<KernelObject> List(Territory territory) => territory switch
    {
        FilterTerritory filters => [.. FiltersAt(filters.At).Values.Select(f => new FilterState(filters.Device, f) { Place = place })],
        HookTerritory hook =>
        [
            .. HookOf(hook.Index).Select(c => (c.Kind, c.Priority, c.Protocol)).Distinct().Select(c => new ForeignFilterState(
                hook.Device, new FilterAttachment(hook.Index, TcHandle.Ingress, c.Priority, c.Protocol), c.Kind) { Place = place }),
        ],
        AddressTerritory addresses => [.. AddressesOf(addresses.Index).Select(a => new AddressState(addresses.Device, a) { Place = place })],
        RouteTerritory routes =>
        [
            .. Routes().Where(r => r.OutputInterface == routes.Index)
                .Select(r => new RouteState(routes.Device, routes.Index, r.Gateway) { Place = place, Priority = r.Priority }),
        ],
        LimitTerritory limit => FindRoot(new RootQdiscState(limit.Device, limit.Index) { Place = place }) is { } root ? [root] : [],
        _ => [],
    };

    private VethState? FindVeth(VethState veth) => FindLink(veth.Name) is not { } link
        ? null
        : veth with { Kind = link.Kind ?? "", Index = link.Index, HostIndex = link.Kind == "veth" ? link.PeerIndex : 0 };

    private AddressState? FindAddress(AddressState planned)
    {
        var found = AddressesOf(planned.Address.Index);
        return found.Exists(a => a.Address == planned.Address.Address && a.PrefixLength == planned.Address.PrefixLength) ? planned
            : found.Count == 0 ? null
            : planned with { Others = string.Join(", ", found) };
    }

    /// <summary>The one with our next hop, else the one of our metric: others were made by somebody else.</summary>
    private RouteState? FindRoute(RouteState planned)
    {
        var ours = Routes().FindAll(r => r.OutputInterface == planned.Index);
        return (ours.Find(r => r.Gateway == planned.Gateway) ?? ours.Find(r => r.Priority == 0)) is { } found
            ? planned with { Gateway = found.Gateway, Priority = found.Priority }
            : null;
    }

    private HookState? FindHook(HookState planned) =>
        QdiscsOf(planned.Index).Find(q => q.HoldsIngressFilters) is { } found ? planned with { Kind = planned.MayExist ? planned.Kind : found.Kind } : null;

    private RootQdiscState? FindRoot(RootQdiscState planned)
    {
        if (QdiscsOf(planned.Index).Find(q => q.Parent == TcHandle.Root) is not { IsDefault: false } root)
        {
            return null;
        }

        var others = root.Htb is null ? [] : ClassesOf(planned.Index).FindAll(c => c.Handle != Shaper.Class);
        var filters = root.Htb is null ? [] : U32Filters.ListPriorities(connection, planned.Index, Shaper.Qdisc);
        return planned with
        {
            Kind = root.Kind,
            Handle = root.Handle,
            Settings = root.Htb?.ToString() ?? root.Kind,
            OtherClasses = others.Count == 0 ? planned.OtherClasses : string.Join(", ", others),
            Filters = filters.Count == 0 ? planned.Filters : string.Join(", ", filters.Select(f => $"{f.Kind} at priority {f.Priority}")),
        };
    }

    private QueueState? FindQueue(string device, int index) => QdiscsOf(index).Find(q => q.Parent == Shaper.Class) is { } leaf
        ? new QueueState(device, index, leaf.FqCodel ?? new FqCodelSettings()) { Place = place, Kind = leaf.Kind, Handle = leaf.Handle }
        : null;

    private FlowQdiscState? FindFlows(FlowQdiscState planned) => QdiscsOf(planned.Index).Find(q => q.Parent == planned.Parent.Handle) is { } found
        ? planned with { Kind = $"{found.Kind} {TcHandle.Format(found.Handle)}", Handle = found.Handle, IsDefault = found.IsDefault, Queues = found.FqCodel?.Flows ?? 0 }
        : null;

    private ProgramState? FindProgram(ProgramState planned)
    {
        var there = HookOf(planned.At.Index).FindAll(c => c.Priority == planned.At.Priority);
        return there.Count == 0 ? null : planned with
        {
            Kind = string.Join(", ", there.Select(c => c.Kind == "bpf" && !c.IsDirectAction ? "bpf without direct action" : c.Kind)),
            Tag = planned.Tag is null ? null : string.Join(", ", there.Select(c => c.ProgramTag ?? "unknown")),
        };
    }

    private List<LinkAddress> AddressesOf(int index) => Once(_addresses, index, i =>
    {
        try
        {
            return Addresses.List(connection, i);
        }
        catch (NetlinkException e) when (e.Errno == Errno.NoSuchDevice)
        {
            return [];
        }
    });

    private List<DefaultRoute> Routes() => _routes ??= Netlink.Route.Routes.ListDefaults(connection);

    private List<Qdisc> QdiscsOf(int index) => Once(_qdiscs, index, i => _isWhole ? [] : Qdiscs.List(connection, i));

    private List<HtbClass> ClassesOf(int index) => Once(_classes, index, i => Htb.ListClasses(connection, i));

    private List<Classifier> HookOf(int index) => Once(_hooks, index, i => Classifiers.List(connection, i, TcHandle.Ingress));

    // Not ToDictionary: somebody else's table may have a number that stands for the root table.
    private Dictionary<U32Handle, U32Filter> FiltersAt(FilterAttachment at) => Once(_filters, at, place =>
    {
        var found = new Dictionary<U32Handle, U32Filter>();
        U32Filters.List(connection, place).ForEach(f => found[f.Handle.AsRequested] = f);
        return found;
    });

    private static TValue Once<TKey, TValue>(Dictionary<TKey, TValue> known, TKey key, Func<TKey, TValue> read)
        where TKey : notnull
    {
        if (!known.TryGetValue(key, out var value))
        {
            value = read(key);
            known.Add(key, value);
        }

        return value;
    }
}
