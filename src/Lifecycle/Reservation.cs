using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;
using CniIsolator.Netlink.Route;
using Serilog;

namespace CniIsolator.Lifecycle;

/// <summary>
/// Gives an attachment its ports: writes the record that reserves them, before anything is made in the kernel.
/// Decisions are taken under the store's lock, kernel work is done without it.
/// </summary>
public sealed class Reservation(Session session, AttachRequest request, HostConfiguration host, ILogger log)
{
    // Each round clears away one obstacle; a store that was lost takes one for every container that lives.
    private const int Rounds = AttachmentSlot.Last;

    private readonly HostListeners _listeners = HostListeners.Read();
    private readonly LostRecords _lost = new(session, host, log);
    private readonly SharedHost _shared = new(session, host, log);
    private HostRecord? _note;
    private int _examined;
    private bool _waited;

    /// <summary>What came of one try: what has to be done before the next one, or the record.</summary>
    private abstract record Try
    {
        public sealed record Reserved(Attachment Attachment) : Try;

        /// <summary>Containers that are gone hold what is wanted.</summary>
        public sealed record HeldByDead(IReadOnlyList<Attachment> Dead) : Try;

        /// <summary>Another process is just taking down what holds it. It may be many at once.</summary>
        public sealed record HeldByLeaving(Attachment Leaving) : Try;

        /// <summary>Records cannot be read, so that nobody knows whose which ports are.</summary>
        public sealed record Unreadable(IReadOnlyList<UnreadableRecord> Records) : Try;

        /// <summary>What the host is like has to be noted, and is not known yet.</summary>
        public sealed record HostUnknown : Try;
    }

    /// <summary>Whether no other attachment of this host that needs the same was ready, so that what they share may not be there.</summary>
    public bool IsFirst { get; private set; }

    /// <summary>
    /// Containers that share another address or MAC than the host has now: what all share is theirs, and has to be made to fit before another one can
    /// be reached.
    /// </summary>
    public IReadOnlyList<AttachmentKey> LeftBehind { get; private set; } = [];

    /// <summary>What an earlier ADD has found of the kernel, or null.</summary>
    public SocketBufferLayout? PacketLayout { get; private set; }

    /// <summary>The container's namespace as it is before anything is made. What an ADD that died has left was cleared away first.</summary>
    public ContainerSnapshot? Snapshot { get; private set; }

    /// <param name="container">The container's namespace.</param>
    /// <exception cref="IsolationException">No ports, or an interface is there already, or the store; nothing has been reserved then.</exception>
    public Attachment Take(NetworkNamespace container)
    {
        for (var round = 0; round < Rounds; round++)
        {
            Snapshot = container.Run(ContainerSnapshot.Take);
            switch (TakeOrClear(container, Snapshot.Before))
            {
                case Try.HeldByDead held:
                    Reclaim(held.Dead);
                    break;
                case Try.HeldByLeaving held:
                    WaitFor(held.Leaving);
                    break;
                case Try.Unreadable unreadable:
                    _examined += _lost.RebuildUnreadable(unreadable.Records);
                    break;
                case Try.HostUnknown:
                    _note = _shared.Describe();
                    break;
                case Try.Reserved reserved:
                    var occupant = FindOccupant(reserved.Attachment);
                    if (occupant is null)
                    {
                        return reserved.Attachment;
                    }

                    if (HostEndAlias.Parse(occupant.Alias) is null)
                    {
                        return WithFreeIndex(reserved.Attachment);
                    }

                    _lost.Adopt(occupant, reserved.Attachment);
                    break;
            }
        }

        throw new IsolationException(
            IsolationFault.TryAgainLater,
            $"no ports could be reserved for {request.Key.ContainerId}: other commands changed the store each time",
            "nothing was changed; try again");
    }

    private void Reclaim(IReadOnlyList<Attachment> dead)
    {
        foreach (var collected in new Collector(session).Collect(dead))
        {
            var attachment = collected.Attachment;
            if ((collected.Fault ?? collected.Kept) is { } fault)
            {
                throw new IsolationException(
                    collected.Fault is null ? IsolationFault.StoreUnreadable : IsolationFault.RolledBack,
                    $"{attachment.Key} is gone, and its ports {attachment.Ports.Slice} could not be reclaimed: {fault.Message}",
                    inner: fault);
            }

            log.Information("reclaimed {Ports} of {Attachment}, which is gone", attachment.Ports.Slice, attachment.Key);
        }
    }

    /// <summary>Where the record cannot be written, neither is the note left that came before it.</summary>
    private Try TakeOrClear(NetworkNamespace container, ContainerBefore before)
    {
        try
        {
            return TryTake(container, before);
        }
        catch (StoreException)
        {
            session.RemoveSharedStateIfUnused();
            throw;
        }
    }

    private Try TryTake(NetworkNamespace container, ContainerBefore before)
    {
        var key = request.Key;
        using var store = session.Begin();
        if (store.Unreadable.Count > _examined)
        {
            // Each is looked at once for an ADD, without the lock.
            return new Try.Unreadable(store.Unreadable);
        }

        if (store.Find(key) is { } existing)
        {
            return session.Conditions.IsAlive(existing)
                ? throw new IsolationException(
                    IsolationFault.InterfaceExists,
                    $"interface {key.IfName} of container {key.ContainerId} exists already in network {key.Network}",
                    $"its ports are {Describe(existing)}; it is {existing.State.ToString().ToLowerInvariant()} and was left as it is")
                : new Try.HeldByDead([existing]);
        }

        _shared.Refuse(store);
        if (FindNeighbour(store, container) is { } neighbour)
        {
            // Namespaces' numbers are given again: the new one may have that of one that somebody is just taking down.
            return Reclaim(store, neighbour.Key) ?? FindLeaving(store, neighbour.Key) ?? throw new IsolationException(
                IsolationFault.InterfaceExists,
                $"the namespace {request.Netns} shares the host's address already, through interface {neighbour.Key.IfName}",
                $"container {neighbour.Key.ContainerId}, network {neighbour.Key.Network}: one address has one interface in a namespace");
        }

        var space = new PortSpace(store.Attachments);
        foreach (var claim in request.Claims)
        {
            if (space.FindHolder(claim) is { } holder)
            {
                return Reclaim(store, holder.Key) ?? FindLeaving(store, holder.Key) ?? throw HostListeners.Taken(claim.ToString(), holder.ToString());
            }
        }

        // Containers first: a runtime's monitor may listen on the host on all that its container has published.
        _listeners.Refuse(request.Claims);

        // A host process that listens in the pool keeps its port: its whole slice stays unused.
        var unusable = _listeners.Ports;
        if (SliceAllocator.Allocate(request.EphemeralPorts, request.SliceSize, space.Owned, unusable, store.Freed) is not { } slice
            || AttachmentSlot.Next(store.Attachments) is not { } slot)
        {
            return FindDead(store) ?? FindLeaving(store) ?? throw Exhausted(space, unusable);
        }

        if (FindFlowElsewhere(store) is { } elsewhere)
        {
            return session.Conditions.IsAliveAfterTeardown(elsewhere) ? throw FlowsElsewhere(store, elsewhere) : new Try.HeldByDead([elsewhere]);
        }

        var flow = 0;
        if (request.Flows is not null)
        {
            if (FlowNumber.Next(store.Attachments.Where(session.IsOnThisHost)) is not { } free)
            {
                return FindDead(store) ?? FindLeaving(store) ?? throw FlowsExhausted();
            }

            flow = free;
        }

        return Write(store, container, before, slice, slot, flow);
    }

    private Try Write(StoreTransaction store, NetworkNamespace container, ContainerBefore before, PortRange slice, int slot, int flow)
    {
        IsFirst = !store.Attachments.Any(
            a => a.State == AttachmentState.Ready && session.IsOnThisHost(a) && (a.Numbers.Flow != 0 || request.Flows is null)
                && session.Conditions.IsAlive(a));
        LeftBehind = _shared.FindLeftBehind(store);
        if (!_shared.IsNoted(store))
        {
            if (_note is null)
            {
                return new Try.HostUnknown();
            }

            store.WriteHost(_note);
        }

        if (request.Flows is { } parent && store.Host is { } noted && noted.FlowParent != parent.ToString())
        {
            store.WriteHost(noted with { FlowParent = parent.ToString() });
        }

        PacketLayout = store.Host?.PacketLayout;
        var attachment = Compose(container, before, slice, slot, flow);
        store.Write(attachment);
        store.NoteNetwork(new NetworkRecord
        {
            Name = attachment.Key.Network,
            BootId = attachment.MadeOn.BootId,
            HostNetns = attachment.MadeOn.Netns,
            Ports = request.Ports.ToString(),
            EphemeralPorts = request.EphemeralPorts.ToString(),
            EphemeralPortsPerContainer = request.UsualSliceSize,
        });
        return new Try.Reserved(attachment);
    }

    /// <summary>Whoever has the interface index that goes with the slice, or null. Where that cannot be found out, the reservation is given back.</summary>
    private Link? FindOccupant(Attachment reserved)
    {
        try
        {
            return Links.Find(session.Host, reserved.Numbers.HostEnd);
        }
        catch (IOException)
        {
            GiveBack(reserved);
            throw;
        }
    }

    private Try? FindDead(StoreTransaction store) =>
        store.Attachments.Where(a => !session.Conditions.IsAliveAfterTeardown(a)).ToList() is { Count: > 0 } dead ? new Try.HeldByDead(dead) : null;

    private Try? FindLeaving(StoreTransaction store, AttachmentKey? holder = null)
    {
        var leaving = _waited
            ? null
            : store.Attachments.FirstOrDefault(
                a => a.State == AttachmentState.Deleting && (holder is null || a.Key == holder) && session.Conditions.IsBusy(a));
        return leaving is null ? null : new Try.HeldByLeaving(leaving);
    }

    // One that does not come to its end keeps its ports, and is then named as their owner.
    private void WaitFor(Attachment leaving) =>
        _waited = !SpinWait.SpinUntil(() => !leaving.Equals(session.Store.Find(leaving.Key)) || !leaving.Process.IsAlive(), session.LockTimeout);

    /// <summary>A container whose queue on the master hangs at another place than this configuration names, or null.</summary>
    private Attachment? FindFlowElsewhere(StoreTransaction store) =>
        request.Flows is { } wanted && store.Host?.FlowParent is { } parent && parent != wanted.ToString()
            ? store.Attachments.FirstOrDefault(a => a.Numbers.Flow != 0 && session.IsOnThisHost(a))
            : null;

    private IsolationException FlowsElsewhere(StoreTransaction store, Attachment holder) => new(
        IsolationFault.InvalidConfiguration,
        $"{FlowClassifierParent.Key}: \"{request.Flows}\" is not where the flows of {host.Master.Name} are: {holder.Key} has its own at {store.Host?.FlowParent}");

    private IsolationException FlowsExhausted() => new(
        IsolationFault.RolledBack,
        $"{FlowClassifierParent.UniqueFlowKey}: all {FlowNumber.Count} flows of {host.Master.Name} are in use",
        "an fq_codel has 1024 queues, of which the host has one, and ARP and ICMP another; nothing was made");

    private Attachment Compose(NetworkNamespace container, ContainerBefore before, PortRange slice, int slot, int flow)
    {
        var index = IndexOf(slice);
        return new Attachment
        {
            Key = request.Key,
            Namespace = new NamespaceReference(request.Netns, container.Identity.Device, container.Identity.Inode),
            MadeOn = session.Self,
            Numbers = new KernelNumbers { HostEnd = index, ContainerEnd = index, Slot = slot, Flow = flow },
            State = AttachmentState.Creating,
            Host = host.Values,
            Ports = new OwnedPorts
            {
                Slice = slice,
                Claims = request.Claims,
                NetworkPorts = request.Ports.ToString(),
                NetworkPool = request.EphemeralPorts.ToString(),
            },
            Limits = request.Limits,
            HostLoopback = request.HostLoopback,
            Args = request.Args,
            Created = DateTimeOffset.UtcNow,
            CgroupPath = request.CgroupPath,
            Before = before,
            Process = ProcessIdentity.Current,
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
        var index = reserved.Numbers.HostEnd;
        while (Links.Find(session.Host, index) is { } taken)
        {
            if (index > int.MaxValue - Step)
            {
                GiveBack(reserved);
                throw new IsolationException(
                    IsolationFault.RolledBack, $"no interface index is free for ports {reserved.Ports.Slice}", $"{taken.Name} has {taken.Index}");
            }

            index += Step;
        }

        var moved = reserved with { Numbers = reserved.Numbers with { HostEnd = index, ContainerEnd = index } };
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

    private Attachment? FindNeighbour(StoreTransaction store, NetworkNamespace container) =>
        store.Attachments.FirstOrDefault(a => a.MadeOn.BootId == session.BootId && a.Namespace.Identity == container.Identity);

    private Try? Reclaim(StoreTransaction store, AttachmentKey holder) =>
        store.Find(holder) is { } attachment && !session.Conditions.IsAliveAfterTeardown(attachment) ? new Try.HeldByDead([attachment]) : null;

    private IsolationException Exhausted(PortSpace space, PortSet unusable)
    {
        var size = request.SliceSize;
        var capacity = SliceAllocator.Capacity(request.EphemeralPorts, space.Owned, size, unusable);
        return new IsolationException(
            IsolationFault.PortsExhausted,
            $"ephemeralPorts \"{request.EphemeralPorts}\": no {size} ports are free for another container",
            $"{capacity.Total} slices of {size} ports fit, {capacity.Free} are free; the largest free slice has {capacity.LargestFree} ports");
    }

    private static string Describe(Attachment attachment) =>
        string.Join(", ", attachment.Ports.Claims.Select(c => c.ToString()).Prepend($"{attachment.Ports.Slice} (ephemeral)"));
}
