using System.Net;
using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Plugin.Attaching;
using CniIsolator.Plugin.Configuration;
using Serilog;

namespace CniIsolator.Plugin.Commands;

/// <summary>
/// ADD, all or nothing: look, reserve ports in the store, build the container's side, then the host's, commit.
/// Whatever fails after the reservation is taken back.
/// </summary>
internal static class AddCommand
{
    public static CniResult Run(CniRequest request, ILogger log)
    {
        var configuration = NetworkConfiguration.From(request);
        using var session = new Session(configuration.StateDir);
        using var container = ContainerNamespace.Open(request.Netns, session.Namespace);
        var facts = HostFacts.Read(session.Host, configuration.Master);
        configuration.CheckAgainstHostRange(facts.EphemeralRange);
        configuration.CheckHostIps(new IPAddress(facts.Address.Address.ToBytes()));
        ScatteredPorts.Refuse(configuration.Claims);
        var limits = facts.ReadLimits(configuration);
        foreach (var warning in limits.Warnings)
        {
            log.Warning("{Warning:l}", warning);
        }

        if (configuration.Cgroup.Warning is { } doubt)
        {
            log.Warning("{Warning:l}", doubt);
        }

        var reservation = new Reservation(session, configuration, facts, limits, log);
        var attachment = reservation.Take(request, container);
        using var programs = HostEndPrograms.Load(reservation.PacketLayout);
        attachment = attachment with { FinishesChecksums = programs.NeedsFinished };
        var before = TakeSnapshot(session, attachment, container, log);
        var flows = configuration.UniqueFlow ? configuration.FlowClassifierParent : (FlowClassifierParent?)null;
        var construction = new Construction(session, attachment, container, before, facts, flows, programs);
        try
        {
            attachment = Commit(session, construction.Build(reservation.IsFirst), programs.Layout);
        }
        catch (Exception e)
        {
            throw RollBack(session, attachment, construction, e, log);
        }

        if (attachment.PlainQueue)
        {
            log.Warning(
                "the kernel lacks {Feature}: what waits behind the limit of {Container} waits in one plain queue",
                FeatureProbe.FairQueue,
                attachment.ContainerId);
        }

        if (!attachment.DropsUnmatched)
        {
            log.Debug(
                "the kernel lacks BPF or its filter (CONFIG_NET_CLS_BPF): the host's stack drops what {Container} must not send",
                attachment.ContainerId);
        }

        if (!attachment.GuardsChecksums)
        {
            log.Debug(
                "the kernel lacks BPF, its filter (CONFIG_NET_CLS_BPF) or a function of it (kernel 4.9): a raw socket of {Container} may send from others' ports",
                attachment.ContainerId);
        }
        else if (attachment.FinishesChecksums)
        {
            log.Debug("{Kernel}: {Container} computes the checksums of what it sends itself, which takes processor time", FeatureProbe.NoPacketLayout, attachment.ContainerId);
        }

        log.Information("{Container} has ports {Slice} and {Ports}", attachment.ContainerId, attachment.Slice, attachment.Claims);
        return Describe(attachment, request, configuration.Dns);
    }

    /// <summary>The runtime will never learn of the result: take the attachment down again.</summary>
    public static void Undo(CniRequest request, ILogger log)
    {
        using var session = new Session(NetworkConfiguration.ForRemoval(request).StateDir);
        if (Detachment.Claim(session, new AttachmentKey(request.Config.Name, request.ContainerId, request.IfName)) is { } attachment)
        {
            log.Warning("the result could not be delivered; {Attachment} is taken down again", attachment.Key);
            Detachment.Remove(session, attachment, request.Netns);
        }
    }

    /// <summary>
    /// The container as it is before anything is made: what is in the way belongs to somebody else and is left alone. Not earlier than this, for the
    /// reservation clears away what an ADD that died has left.
    /// </summary>
    private static ContainerSnapshot TakeSnapshot(Session session, Attachment attachment, NetworkNamespace container, ILogger log)
    {
        try
        {
            var before = container.Run(ContainerSnapshot.Take);
            if (before.Links.Find(l => l.Name == attachment.IfName || l.Index == attachment.ContainerIfIndex) is not { } existing)
            {
                return before;
            }

            throw new CniException(
                CniErrorCode.InterfaceExists,
                existing.Name == attachment.IfName
                    ? $"interface {attachment.IfName} exists already in the namespace {container.Path}"
                    : $"interface {existing.Name} of the namespace {container.Path} has the index {existing.Index} that {attachment.IfName} needs",
                "it was there before this ADD and was left as it is");
        }
        catch (Exception e) when (e is CniException or IOException)
        {
            Release(session, attachment, log);
            throw;
        }
    }

    private static Attachment Commit(Session session, Attachment attachment, SocketBufferLayout? layout)
    {
        using var store = session.Begin();
        if (FindOwn(store, attachment) is not { State: AttachmentState.Creating })
        {
            throw new InvalidOperationException("the record was removed before ADD had ended");
        }

        if (layout is not null && store.Host is { } host && host.PacketLayout != layout)
        {
            store.WriteHost(host with { PacketLayout = layout });
        }

        var ready = attachment with { State = AttachmentState.Ready };
        store.Write(ready);
        return ready;
    }

    private static CniException RollBack(Session session, Attachment attachment, Construction construction, Exception cause, ILogger log)
    {
        log.Error(cause, "ADD of {Attachment} failed and is rolled back", attachment.Key);
        var faults = construction.RollBack();
        foreach (var fault in faults)
        {
            log.Error(fault, "the roll-back of {Attachment} is incomplete", attachment.Key);
        }

        var left = faults.Count > 0 ? Keep(session, attachment, faults, log) : Release(session, attachment, log);
        if (cause is CniException known)
        {
            return left is null ? known : new CniException(known.Code, known.Message, known.Details is { } text ? $"{text}; {left}" : left, cause);
        }

        if (cause is StoreException)
        {
            return new CniException(CniErrorCode.StoreUnreadable, $"ADD failed and was rolled back: {cause.Message}", left, cause);
        }

        return FeatureProbe.Explain(NeedsOf(attachment), "ADD failed and was rolled back", cause, left);
    }

    /// <summary>
    /// Filters that are left may still lead to the container. Its record keeps the ports from others until a DEL, GC or another ADD has cleared
    /// the rest away.
    /// </summary>
    /// <returns>What there is to say of it.</returns>
    private static string Keep(Session session, Attachment attachment, IReadOnlyList<IOException> faults, ILogger log)
    {
        var left = $"the roll-back is incomplete: {string.Join("; ", faults.Select(f => f.Message))}; the ports {attachment.Slice} stay reserved until DEL or GC has cleared the rest away";
        try
        {
            using var store = session.Begin();
            if (FindOwn(store, attachment) is { } current)
            {
                store.Write(current with { State = AttachmentState.Deleting });
            }

            return left;
        }
        catch (Exception e) when (e is CniException or StoreException or IOException)
        {
            // As it is, the record says that it is being made by a process that will soon be gone: that is cleared away as well.
            log.Error(e, "the record of {Attachment} could not be marked as being taken down", attachment.Key);
            return $"{left}; {e.Message}";
        }
    }

    /// <returns>What there is to say of a reservation that could not be released; null where it could.</returns>
    private static string? Release(Session session, Attachment attachment, ILogger log)
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
        catch (Exception e) when (e is CniException or StoreException or IOException)
        {
            log.Error(e, "the reservation of {Attachment} could not be released", attachment.Key);
            return $"what it had reserved could not be released completely: {e.Message}; DEL or GC does that";
        }
    }

    /// <summary>The record as this process wrote it. Somebody may have removed it, and the next ADD have written its own.</summary>
    private static Attachment? FindOwn(StoreTransaction store, Attachment attachment) =>
        store.Find(attachment.Key) is { } current && current.Creator == attachment.Creator ? current : null;

    private static CniResult Describe(Attachment attachment, CniRequest request, CniDns? dns) => new()
    {
        Interfaces =
        [
            new CniInterface(attachment.HostInterface, attachment.Mac, (uint)attachment.Mtu),
            new CniInterface(attachment.IfName, attachment.Mac, (uint)attachment.Mtu, request.Netns),
        ],
        Ips = [new CniIp($"{attachment.Address}/{attachment.PrefixLength}", attachment.Gateway, 1)],
        Routes = attachment.Gateway is null ? [] : [new CniRoute("0.0.0.0/0", attachment.Gateway)],
        Dns = dns,
    };

    private static KernelNeeds NeedsOf(Attachment attachment) =>
        (attachment.Egress is null && attachment.Ingress is null ? KernelNeeds.None : KernelNeeds.Limits)
        | (attachment.Flow == 0 ? KernelNeeds.None : KernelNeeds.Flows);
}
