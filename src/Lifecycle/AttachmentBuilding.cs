using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Linux;
using Serilog;

namespace CniIsolator.Lifecycle;

/// <summary>
/// Attaches a container, all or nothing: reserve ports in the store, make the container's side, then the host's, commit. Whatever fails after the
/// reservation is taken back.
/// </summary>
public sealed class AttachmentBuilding(Session session, AttachRequest request, HostConfiguration host, ILogger log)
{
    /// <exception cref="IsolationException">It failed, and nothing is left of it, or the message says what.</exception>
    public Attachment Attach(NetworkNamespace container)
    {
        var reservation = new Reservation(session, request, host, log);
        var attachment = reservation.Take(container);
        HostEndPrograms? programs = null;
        try
        {
            programs = Prepare(reservation, ref attachment, container);
            return Build(reservation, attachment, container, programs);
        }
        finally
        {
            programs?.Dispose();
        }
    }

    /// <summary>What is in the way belongs to somebody else and is left alone.</summary>
    private HostEndPrograms Prepare(Reservation reservation, ref Attachment attachment, NetworkNamespace container)
    {
        try
        {
            var (ifName, index) = (attachment.Key.IfName, attachment.Numbers.ContainerEnd);
            if (reservation.Snapshot!.Links.FirstOrDefault(l => l.Name == ifName || l.Index == index) is { } existing)
            {
                throw new IsolationException(
                    IsolationFault.InterfaceExists,
                    existing.Name == ifName
                        ? $"interface {ifName} exists already in the namespace {container.Path}"
                        : $"interface {existing.Name} of the namespace {container.Path} has the index {existing.Index} that {ifName} needs",
                    "it was there before this ADD and was left as it is");
            }

            var programs = HostEndPrograms.Load(reservation.PacketLayout);
            attachment = attachment with
            {
                Features = new KernelFeatures
                {
                    GuardsChecksums = programs.Guard is not null,
                    DropsUnmatched = programs.Drop is not null,
                    FinishesChecksums = programs.NeedsFinished,
                },
            };
            return programs;
        }
        catch (Exception e) when (e is IsolationException or IOException)
        {
            Release(attachment);
            throw;
        }
    }

    private Attachment Build(Reservation reservation, Attachment attachment, NetworkNamespace container, HostEndPrograms programs)
    {
        var construction = new Construction(session, attachment, container, request, programs);
        try
        {
            foreach (var other in reservation.LeftBehind)
            {
                log.Warning("{Attachment} shares what the host had before it changed, and gets no packets: cni-portmap-isolate repair --all", other);
            }

            var hasMoved = reservation.LeftBehind.Count > 0;
            var built = construction.Build(reservation.IsFirst, hasMoved);
            if (hasMoved)
            {
                Announce();
            }

            return Commit(built, programs.Layout);
        }
        catch (Exception e)
        {
            throw RollBack(attachment, construction, e);
        }
    }

    /// <summary>Neighbours that remember what the host had before would send the new container's packets to nobody.</summary>
    private void Announce()
    {
        try
        {
            AddressAnnouncement.Send(host.Master.Index, host.Master.Mac.ToBytes(), host.Address.Address.ToBytes());
        }
        catch (IOException e)
        {
            log.Warning(e, "the host's new address or MAC could not be announced; neighbours learn of it in time");
        }
    }

    private Attachment Commit(Attachment attachment, SocketBufferLayout? layout)
    {
        using var store = session.Begin();
        if (FindOwn(store, attachment) is not { State: AttachmentState.Creating })
        {
            throw new InvalidOperationException("the record was removed before ADD had ended");
        }

        if (layout is not null && store.Host is { } noted && noted.PacketLayout != layout)
        {
            store.WriteHost(noted with { PacketLayout = layout });
        }

        var ready = attachment with { State = AttachmentState.Ready };
        store.Write(ready);
        return ready;
    }

    private IsolationException RollBack(Attachment attachment, Construction construction, Exception cause)
    {
        log.Error(cause, "ADD of {Attachment} failed and is rolled back", attachment.Key);
        var faults = construction.RollBack();
        foreach (var fault in faults)
        {
            log.Error(fault, "the roll-back of {Attachment} is incomplete", attachment.Key);
        }

        var left = faults.Count > 0 ? Keep(attachment, faults) : Release(attachment);
        if (cause is IsolationException known)
        {
            return left is null ? known : new IsolationException(known.Fault, known.Message, known.Details is { } text ? $"{text}; {left}" : left, cause);
        }

        if (cause is StoreException)
        {
            return new IsolationException(IsolationFault.StoreUnreadable, $"ADD failed and was rolled back: {cause.Message}", left, cause);
        }

        return FeatureProbe.Explain(NeedsOf(attachment), "ADD failed and was rolled back", cause, left);
    }

    /// <summary>
    /// Filters that are left may still lead to the container. Its record keeps the ports from others until a DEL, GC or another ADD has cleared
    /// the rest away.
    /// </summary>
    /// <returns>What there is to say of it.</returns>
    private string Keep(Attachment attachment, IReadOnlyList<IOException> faults)
    {
        var left = $"the roll-back is incomplete: {string.Join("; ", faults.Select(f => f.Message))}; "
            + $"the ports {attachment.Ports.Slice} stay reserved until DEL or GC has cleared the rest away";
        try
        {
            using var store = session.Begin();
            if (FindOwn(store, attachment) is { } current)
            {
                store.Write(current with { State = AttachmentState.Deleting });
            }

            return left;
        }
        catch (Exception e) when (e is IsolationException or StoreException or IOException)
        {
            // As it is, the record says that it is being made by a process that will soon be gone: that is cleared away as well.
            log.Error(e, "the record of {Attachment} could not be marked as being taken down", attachment.Key);
            return $"{left}; {e.Message}";
        }
    }

    /// <returns>What there is to say of a reservation that could not be released; null where it could.</returns>
    private string? Release(Attachment attachment)
    {
        try
        {
            StoreException? kept = null;
            using (var store = session.Begin())
            {
                if (FindOwn(store, attachment) is { } current)
                {
                    kept = session.Forget(store, current);
                }
            }

            // Also where the record stays: it is a dead one.
            session.RemoveSharedStateIfUnused();
            if (kept is null)
            {
                return null;
            }

            log.Error(kept, "the record of {Attachment} could not be removed", attachment.Key);
            return $"nothing of it is left but its record, which stands for nothing: {kept.Message}";
        }
        catch (Exception e) when (e is IsolationException or StoreException or IOException)
        {
            log.Error(e, "the reservation of {Attachment} could not be released", attachment.Key);
            return $"what it had reserved could not be released completely: {e.Message}; DEL or GC does that";
        }
    }

    /// <summary>The record as this process wrote it. Somebody may have removed it, and the next ADD have written its own.</summary>
    private static Attachment? FindOwn(StoreTransaction store, Attachment attachment) =>
        store.Find(attachment.Key) is { } current && current.Process == attachment.Process ? current : null;

    private static KernelNeeds NeedsOf(Attachment attachment) =>
        (attachment.Limits is { Egress: null, Ingress: null } ? KernelNeeds.None : KernelNeeds.Limits)
        | (attachment.Numbers.Flow == 0 ? KernelNeeds.None : KernelNeeds.Flows);
}
