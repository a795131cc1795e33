using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink.Route;
using CniIsolator.Plugin.Configuration;
using Serilog;

namespace CniIsolator.Plugin.Attaching;

/// <summary>
/// Gives an attachment its ports: writes the record that reserves them, before anything is made in the kernel.
/// Decisions are taken under the store's lock, kernel work is done without it.
/// </summary>
internal sealed class Reservation(
    Session session, NetworkConfiguration configuration, HostFacts facts, RateLimits limits, ILogger log)
{
    // Each round clears away one obstacle; a store that was lost takes one for every container that lives.
    private const int Rounds = AttachmentSlot.Last;

    private readonly HostListeners _listeners = HostListeners.Read();
    private HostRecord? _note;
    private IReadOnlyList<UnreadableRecord> _unreadable = [];
    private int _examined;
    private Attachment? _leaving;
    private bool _waited;

    /// <summary>Whether no other attachment of this host that needs the same was ready, so that what they share may not be there.</summary>
    public bool IsFirst { get; private set; }

    /// <summary>What an earlier ADD has found of the kernel, or null.</summary>
    public SocketBufferLayout? PacketLayout { get; private set; }

    /// <exception cref="CniException">100, 101, 102 or 105; nothing has been reserved then.</exception>
    public Attachment Take(CniRequest request, NetworkNamespace container)
    {
        for (var round = 0; round < Rounds; round++)
        {
            var obstacles = TakeOrClear(request, container, out var attachment);
            Reclaim(obstacles);

            if (attachment is null)
            {
                if (_leaving is { } leaving)
                {
                    WaitFor(leaving);
                }
                else if (_unreadable.Count > 0)
                {
                    RebuildUnreadable();
                }
                else if (obstacles.Count == 0)
                {
                    _note = DescribeHost();
                }
            }
            else if (FindOccupant(attachment) is { } unknown)
            {
                if (HostSide.ParseAlias(unknown.Alias) is null)
                {
                    return WithFreeIndex(attachment);
                }

                Adopt(unknown, attachment);
            }
            else
            {
                return attachment;
            }
        }

        throw new CniException(CniErrorCode.TryAgainLater, $"no ports could be reserved for {request.ContainerId}: other commands changed the store each time", "nothing was changed; try again");
    }

    private HostRecord DescribeHost()
    {
        if (session.Store.FindHost() is not null || session.Store.ReadAll().Attachments.FirstOrDefault(a => session.IsOnThisHost(a) && session.Liveness.IsAlive(a)) is not { } running)
        {
            return SharedHostState.Describe(session.Host, facts, session.Namespace.Identity.ToString());
        }

        var (note, assumed) = SharedHostState.Reconstruct(session.Host, facts, running);
        log.Warning("the note of what the host was like before the first container was lost and is written anew; assumed: {Assumed}", string.Join("; ", assumed));
        return note;
    }

    private void Reclaim(List<Attachment> dead)
    {
        foreach (var reaped in new Reaper(session).Reap(dead))
        {
            var attachment = reaped.Attachment;
            if ((reaped.Fault ?? reaped.Kept) is { } fault)
            {
                throw new CniException(
                    reaped.Fault is null ? CniErrorCode.StoreUnreadable : CniErrorCode.RolledBack,
                    $"{attachment.Key} is gone, and its ports {attachment.Slice} could not be reclaimed: {fault.Message}",
                    inner: fault);
            }

            log.Information("reclaimed {Ports} of {Attachment}, which is gone", attachment.Slice, attachment.Key);
        }
    }

    /// <summary>Where the record cannot be written, neither is the note left that came before it.</summary>
    private List<Attachment> TakeOrClear(CniRequest request, NetworkNamespace container, out Attachment? attachment)
    {
        try
        {
            return TryTake(request, container, out attachment);
        }
        catch (StoreException)
        {
            session.RemoveSharedStateIfUnused();
            throw;
        }
    }

    /// <summary>
    /// The record; or the dead attachments that must be cleared away first; or neither, when unreadable records
    /// must be looked at, or the host be described.
    /// </summary>
    private List<Attachment> TryTake(CniRequest request, NetworkNamespace container, out Attachment? attachment)
    {
        attachment = null;
        var key = new AttachmentKey(request.Config.Name, request.ContainerId, request.IfName);
        using var store = session.Begin();
        if (store.Unreadable.Count > _examined)
        {
            // Each is looked at once for an ADD, without the lock.
            _unreadable = store.Unreadable;
            return [];
        }

        if (store.Find(key) is { } existing)
        {
            return session.Liveness.IsAlive(existing)
                ? throw new CniException(
                    CniErrorCode.InterfaceExists,
                    $"interface {key.IfName} of container {key.ContainerId} exists already in network {key.Network}",
                    $"its ports are {Describe(existing)}; it is {existing.State.ToString().ToLowerInvariant()} and was left as it is")
                : [existing];
        }

        RefuseOtherMaster(store);
        if (FindNeighbour(store, container) is { } neighbour)
        {
            // Namespaces' numbers are given again: the new one may have that of one that somebody is just taking down.
            return Reclaim(store, neighbour.Key) ?? FindLeaving(store, neighbour.Key) ?? throw new CniException(
                CniErrorCode.InterfaceExists,
                $"the namespace {request.Netns} shares the host's address already, through interface {neighbour.IfName}",
                $"container {neighbour.ContainerId}, network {neighbour.Network}: one address has one interface in a namespace");
        }

        var space = new PortSpace(store.Attachments);
        foreach (var claim in configuration.Claims)
        {
            if (space.FindHolder(claim) is { } holder)
            {
                return Reclaim(store, holder.Key) ?? FindLeaving(store, holder.Key) ?? throw HostListeners.Taken(claim.ToString(), holder.ToString());
            }
        }

        // Containers first: a runtime's monitor may listen on the host on all that its container has published.
        _listeners.Refuse(configuration.Claims);

        // A host process that listens in the pool keeps its port: its whole slice stays unused.
        var unusable = _listeners.Ports;
        var size = configuration.EphemeralPortsPerContainer;
        if (SliceAllocator.Allocate(configuration.EphemeralPorts, size, space.Owned, unusable, store.Freed) is not { } slice
            || AttachmentSlot.Next(store.Attachments) is not { } slot)
        {
            return FindDead(store) ?? FindLeaving(store) ?? throw Exhausted(space, size, unusable);
        }

        if (FindFlowElsewhere(store) is { } elsewhere)
        {
            return session.Liveness.IsAliveAfterTeardown(elsewhere) ? throw FlowsElsewhere(store, elsewhere) : [elsewhere];
        }

        var flow = 0;
        if (configuration.UniqueFlow)
        {
            if (FlowNumber.Next(store.Attachments.Where(session.IsOnThisHost)) is not { } free)
            {
                return FindDead(store) ?? FindLeaving(store) ?? throw FlowsExhausted();
            }

            flow = free;
        }

        IsFirst = !store.Attachments.Any(
            a => a.State == AttachmentState.Ready && session.IsOnThisHost(a) && (a.Flow != 0 || !configuration.UniqueFlow)
                && session.Liveness.IsAlive(a));
        if (store.Host?.HostNetns != session.Namespace.Identity.ToString() || store.Host.MasterIfIndex != facts.Master.Index || IsStale(store))
        {
            if (_note is null)
            {
                return [];
            }

            store.WriteHost(_note);
        }

        if (configuration.UniqueFlow && store.Host is { } host && host.FlowParent != configuration.FlowClassifierParent.ToString())
        {
            store.WriteHost(host with { FlowParent = configuration.FlowClassifierParent.ToString() });
        }

        PacketLayout = store.Host?.PacketLayout;
        attachment = Compose(request, container, slice, slot, flow);
        store.Write(attachment);
        store.NoteNetwork(new NetworkRecord
        {
            Name = attachment.Network,
            BootId = attachment.BootId,
            HostNetns = attachment.HostNetns,
            Ports = configuration.Ports.ToString(),
            EphemeralPorts = configuration.EphemeralPorts.ToString(),
            EphemeralPortsPerContainer = configuration.UsualEphemeralPortsPerContainer,
        });
        return [];
    }

    /// <summary>Whoever has the interface index that goes with the slice, or null. Where that cannot be found out, the reservation is given back.</summary>
    private Link? FindOccupant(Attachment reserved)
    {
        try
        {
            return Links.Find(session.Host, reserved.IfIndex);
        }
        catch (IOException)
        {
            GiveBack(reserved);
            throw;
        }
    }

    private List<Attachment>? FindDead(StoreTransaction store) =>
        store.Attachments.Where(a => !session.Liveness.IsAliveAfterTeardown(a)).ToList() is { Count: > 0 } dead ? dead : null;

    /// <summary>Nothing to clear away, but to wait for: another process is just taking down what has the ports. It may be many at once.</summary>
    private List<Attachment>? FindLeaving(StoreTransaction store, AttachmentKey? holder = null)
    {
        _leaving = _waited
            ? null
            : store.Attachments.FirstOrDefault(a => a.State == AttachmentState.Deleting && (holder is null || a.Key == holder) && session.Liveness.IsBusy(a));
        return _leaving is null ? null : [];
    }

    private void WaitFor(Attachment leaving)
    {
        // One that does not come to its end keeps its ports, and is then named as their owner.
        _waited = !SpinWait.SpinUntil(() => !leaving.Equals(session.Store.Find(leaving.Key)) || !leaving.Creator.IsAlive(), session.LockTimeout);
        _leaving = null;
    }

    /// <summary>A container whose queue on the master hangs at another place than this configuration names, or null.</summary>
    private Attachment? FindFlowElsewhere(StoreTransaction store) =>
        configuration.UniqueFlow && store.Host?.FlowParent is { } parent && parent != configuration.FlowClassifierParent.ToString()
            ? store.Attachments.FirstOrDefault(a => a.Flow != 0 && session.IsOnThisHost(a))
            : null;

    private CniException FlowsElsewhere(StoreTransaction store, Attachment holder) => ConfigurationKeys.Invalid(
        ConfigurationKeys.EgressFlowClassifierParent,
        configuration.FlowClassifierParent.ToString(),
        $"is not where the flows of {facts.Master.Name} are: {holder.Key} has its own at {store.Host?.FlowParent}");

    private CniException FlowsExhausted() => new(
        CniErrorCode.RolledBack,
        $"{ConfigurationKeys.EgressUniqueFlowPerContainer}: all {FlowNumber.Count} flows of {facts.Master.Name} are in use",
        "an fq_codel has 1024 queues, of which the host has one, and ARP and ICMP another; nothing was made");

    /// <summary>
    /// A note without any attachment of this boot may be of an earlier boot. So may one beside dead records alone: it was left on a read-only
    /// file system when the last container went.
    /// </summary>
    private bool IsStale(StoreTransaction store) =>
        !store.Attachments.Any(a => session.IsOnThisHost(a) && session.Liveness.IsAlive(a))
        && HostFacts.ReadLoopbackMac(session.Host) != facts.Master.Mac;

    private Attachment Compose(CniRequest request, NetworkNamespace container, PortRange slice, int slot, int flow)
    {
        var creator = ProcessIdentity.Current;
        var index = IndexOf(slice);
        return new Attachment
        {
            Network = request.Config.Name,
            ContainerId = request.ContainerId,
            IfName = request.IfName,
            Netns = request.Netns,
            NetnsDevice = container.Identity.Device,
            NetnsInode = container.Identity.Inode,
            BootId = session.BootId,
            HostNetns = session.Namespace.Identity.ToString(),
            IfIndex = index,
            ContainerIfIndex = index,
            Slot = slot,
            State = AttachmentState.Creating,
            Master = facts.Master.Name,
            MasterIfIndex = facts.Master.Index,
            Mac = facts.Master.Mac.ToString(),
            Mtu = (int)facts.Master.Mtu,
            Address = facts.Address.Address.ToString(),
            PrefixLength = facts.Address.PrefixLength,
            Gateway = facts.Gateway?.ToString(),
            Slice = slice,
            Claims = configuration.Claims,
            Egress = limits.Egress,
            Ingress = limits.Ingress,
            Flow = flow,
            HostLoopback = configuration.HostLoopback,
            Args = new OrderedDictionary<string, string>(KeptArguments(request.Args)),
            Created = DateTimeOffset.UtcNow,
            NetworkPorts = configuration.Ports.ToString(),
            NetworkPool = configuration.EphemeralPorts.ToString(),
            CgroupPath = configuration.Cgroup.Path,
            CreatorPid = creator.Pid,
            CreatorStartTime = creator.StartTime,
        };
    }

    /// <summary>
    /// Both ends get an index that follows from the slice, so that a whole batch can be written before the kernel has
    /// made anything. The kernel's own choices count up from 1 and do not come here.
    /// </summary>
    private static int IndexOf(PortRange slice) => 0x706d_0000 | slice.Begin;

    /// <summary>Somebody else's interface has the index that goes with the slice: another one does as well.</summary>
    private Attachment WithFreeIndex(Attachment reserved)
    {
        const int Step = 0x1_0000;
        var index = reserved.IfIndex;
        while (Links.Find(session.Host, index) is { } taken)
        {
            if (index > int.MaxValue - Step)
            {
                GiveBack(reserved);
                throw new CniException(
                    CniErrorCode.RolledBack, $"no interface index is free for ports {reserved.Slice}", $"{taken.Name} has {taken.Index}");
            }

            index += Step;
        }

        var moved = reserved with { IfIndex = index, ContainerIfIndex = index };
        try
        {
            using var store = session.Begin();
            store.Write(moved);
            return moved;
        }
        catch (StoreException)
        {
            GiveBack(reserved);
            throw;
        }
    }

    private void GiveBack(Attachment reserved)
    {
        using (var giving = session.Begin())
        {
            session.Forget(giving, reserved);
        }

        session.RemoveSharedStateIfUnused();
    }

    /// <summary>
    /// The kernel has an interface for this slice and the store has not: the record was lost. It is put together again,
    /// and the slice left to its owner.
    /// </summary>
    private void Adopt(Link unknown, Attachment reserved)
    {
        var (rebuilt, reason) = RecordRecovery.TryRebuild(
            session.Host, unknown, facts, session.BootId, session.Namespace.Identity.ToString());
        using var store = session.Begin();
        store.Remove(reserved.Key);
        if (rebuilt is null || store.Find(rebuilt.Key) is not null)
        {
            throw new CniException(
                CniErrorCode.RolledBack,
                $"interface {unknown.Name} has the index {unknown.Index} that goes with ports {reserved.Slice}",
                $"the store does not know it, and it could not be taken in: {reason}");
        }

        log.Warning("{Interface} had no record; it was rebuilt from the kernel as {Attachment}", unknown.Name, rebuilt.Key);
        store.Write(rebuilt);
    }

    /// <summary>
    /// Puts records that cannot be read together again from the kernel. One whose interface is gone owns nothing: it is
    /// set aside and reported, once. One that lives and cannot be rebuilt stops every ADD, since its ports are unknown.
    /// </summary>
    private void RebuildUnreadable()
    {
        foreach (var record in _unreadable)
        {
            if (Links.Find(session.Host, record.HostInterface) is not { } link)
            {
                if (record.IsSetAside)
                {
                    _examined++;
                    continue;
                }

                using var store = session.Begin();
                var aside = store.SetAside(record);
                throw new CniException(
                    CniErrorCode.StoreUnreadable,
                    $"record {record.Path} is unreadable: {record.Reason}",
                    $"its interface {record.HostInterface} is gone; the record was set aside as {aside.Path}, and the next ADD goes on without it");
            }

            var (rebuilt, reason) = RecordRecovery.TryRebuild(
                session.Host, link, facts, session.BootId, session.Namespace.Identity.ToString());
            using var writing = session.Begin();
            if (rebuilt is null)
            {
                var path = record.IsSetAside ? record.Path : writing.SetAside(record).Path;
                throw new CniException(
                    CniErrorCode.StoreUnreadable,
                    $"record {record.Path} is unreadable: {record.Reason}",
                    $"its interface {record.HostInterface} lives, so its ports cannot be given away, and it could not be rebuilt: {reason}; DEL that container, or put {path} right");
            }

            log.Warning("record {Path} was unreadable ({Reason}) and was rebuilt from the kernel", record.Path, record.Reason);
            writing.RemoveUnreadable(record.HostInterface);
            writing.Write(rebuilt);
        }

        _unreadable = [];
    }

    private void RefuseOtherMaster(StoreTransaction store)
    {
        if (store.Attachments.FirstOrDefault(a => session.IsOnThisHost(a) && a.MasterIfIndex != facts.Master.Index && session.Liveness.IsAlive(a)) is { } other)
        {
            throw new CniException(
                CniErrorCode.InvalidNetworkConfig,
                $"master \"{facts.Master.Name}\": containers of this host share the address of {other.Master} already",
                "the host's loopback can carry the MAC of one master only; use one master, or a state directory for each host namespace");
        }
    }

    private Attachment? FindNeighbour(StoreTransaction store, NetworkNamespace container) =>
        store.Attachments.FirstOrDefault(
            a => a.BootId == session.BootId && new NamespaceIdentity(a.NetnsDevice, a.NetnsInode) == container.Identity);

    private List<Attachment>? Reclaim(StoreTransaction store, AttachmentKey holder) =>
        store.Find(holder) is { } attachment && !session.Liveness.IsAliveAfterTeardown(attachment) ? [attachment] : null;

    private CniException Exhausted(PortSpace space, int size, PortSet unusable)
    {
        var capacity = SliceAllocator.Capacity(configuration.EphemeralPorts, space.Owned, size, unusable);
        return new CniException(
            CniErrorCode.EphemeralPortsExhausted,
            $"ephemeralPorts \"{configuration.EphemeralPorts}\": no {size} ports are free for another container",
            $"{capacity.Total} slices of {size} ports fit, {capacity.Free} are free; the largest free slice has {capacity.LargestFree} ports");
    }

    private static string Describe(Attachment attachment) =>
        string.Join(", ", attachment.Claims.Select(c => c.ToString()).Prepend($"{attachment.Slice} (ephemeral)"));

    private static IEnumerable<KeyValuePair<string, string>> KeptArguments(CniArgs args) =>
        args.Pairs.Where(p => !p.Key.Equals("IgnoreUnknown", StringComparison.OrdinalIgnoreCase)).DistinctBy(p => p.Key);
}
