using CniIsolator.Cni;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Attaching;

/// <summary>What to change of an attachment; null leaves it.</summary>
/// <param name="Claims">All fixed ports that it is to have.</param>
/// <param name="EgressRate">Bytes per second that it may send; 0 is no limit.</param>
/// <param name="IngressRate">Bytes per second that it may receive; 0 is no limit.</param>
internal sealed record UpdateRequest(IReadOnlyList<PortClaim>? Claims, ulong? EgressRate, ulong? IngressRate);

/// <summary>
/// Changes ports and limits of a container that runs, all or nothing. The intention is written into the store first, and owns the
/// ports of both sides; then the kernel gets the new filters, then the new limits, then loses the old filters; then it is committed.
/// What fails is taken back, and what was interrupted is taken back by the next one.
/// </summary>
internal sealed class AttachmentUpdate(Session session, UpdateRequest request)
{
    // Each round clears away one dead container, or one interrupted change.
    private const int Rounds = 64;

    private readonly HostListeners? _listeners = request.Claims is null ? null : HostListeners.Read();

    /// <exception cref="CniException">
    /// 3: no such container; 7, 101: the ports cannot be given; 11: somebody else is changing it; 103: its namespace is gone;
    /// 104: the kernel lacks a feature, which is named; 107: it failed and was taken back.
    /// </exception>
    public Attachment Apply(AttachmentKey key)
    {
        var begun = Begin(key);
        try
        {
            using var kernel = new LiveAttachment(session, begun, request);

            // Nobody may sweep the tables for strays while entries are put into them.
            using var shared = session.HoldSharedState();
            var plainQueue = kernel.Apply();
            return Commit(begun, plainQueue);
        }
        catch (Exception e) when (e is IOException or CniException or IsolationException or StoreException)
        {
            throw TakeBack(begun, e);
        }
    }

    private Attachment Begin(AttachmentKey key)
    {
        for (var round = 0; round < Rounds; round++)
        {
            Attachment obstacle;
            using (var store = session.Begin())
            {
                var current = store.Find(key) ?? throw new CniException(CniErrorCode.UnknownContainer, $"{key} is not attached");
                RefuseUnlessLive(current);
                var changer = ProcessIdentity.Current;
                if (current.Change?.Host is not null)
                {
                    throw new CniException(
                        CniErrorCode.TryAgainLater, $"a repair of {key} was interrupted", $"`cni-portmap-isolate repair {key.ContainerId}` ends it");
                }

                if (current.Change is not null)
                {
                    // Ours to take back from now on: a second one would remove what comes after it, and DEL has to wait for it.
                    obstacle = current with { CreatorPid = changer.Pid, CreatorStartTime = changer.StartTime };
                    store.Write(obstacle);
                }
                else if (FindDeadHolder(store, current) is { } dead)
                {
                    obstacle = dead;
                }
                else
                {
                    var begun = current with { Change = Plan(current), CreatorPid = changer.Pid, CreatorStartTime = changer.StartTime };
                    store.Write(begun);
                    return begun;
                }
            }

            if (obstacle.Key == key)
            {
                // Whoever began it has died; nobody knows how far it came.
                Revert(obstacle);
            }
            else
            {
                foreach (var reaped in new Reaper(session).Reap([obstacle]))
                {
                    if (reaped.Fault is { } fault)
                    {
                        throw new CniException(CniErrorCode.RolledBack, $"{obstacle.Key} is gone, and its ports could not be reclaimed: {fault.Message}", inner: fault);
                    }
                }
            }
        }

        throw new CniException(CniErrorCode.TryAgainLater, $"{key} could not be changed: other commands changed the store each time", "nothing was changed; try again");
    }

    private void RefuseUnlessLive(Attachment current)
    {
        if (current.State != AttachmentState.Ready)
        {
            throw new CniException(CniErrorCode.TryAgainLater, $"{current.Key} is {current.State.ToString().ToLowerInvariant()}");
        }

        if (!session.IsOnThisHost(current) || !session.Liveness.IsAlive(current))
        {
            throw new CniException(
                CniErrorCode.UnknownContainer, $"{current.Key} is gone", "its interface does not exist any more; DEL or GC clears its record away");
        }

        if (Liveness.IsBeingChanged(current))
        {
            throw new CniException(CniErrorCode.TryAgainLater, $"{current.Key} is being changed by process {current.CreatorPid}");
        }
    }

    private AttachmentChange Plan(Attachment current)
    {
        var frame = Shaper.FrameSize(current.Mtu);
        return new AttachmentChange(
            request.Claims ?? current.Claims,
            request.EgressRate is { } egress ? RateLimits.Replace(current.Egress, egress, frame) : current.Egress,
            request.IngressRate is { } ingress ? RateLimits.Replace(current.Ingress, ingress, frame) : current.Ingress);
    }

    /// <summary>A container that is gone and holds a wanted port; null if nobody holds any.</summary>
    /// <exception cref="CniException">7: a port is not the network's to give; 101: it is somebody's.</exception>
    private Attachment? FindDeadHolder(StoreTransaction store, Attachment current)
    {
        if (request.Claims is not { } claims)
        {
            return null;
        }

        List<PortClaim> added =
        [
            .. from protocol in claims.GroupBy(c => c.Protocol)
               let had = PortSet.From(current.Claims.Where(c => c.Protocol == protocol.Key).Select(c => c.Range))
               from range in PortSet.From(protocol.Select(c => c.Range)).Subtract(had).Ranges
               select new PortClaim(protocol.Key, range),
        ];
        RefuseOutside(current, added);
        ScatteredPorts.Refuse(claims);
        var space = new PortSpace(store.Attachments);
        foreach (var claim in added)
        {
            if (space.FindHolder(claim, current.Key) is { } holder)
            {
                return store.Find(holder.Key) is { } attachment && holder.Key != current.Key && !session.Liveness.IsAliveAfterTeardown(attachment)
                    ? attachment
                    : throw HostListeners.Taken(claim.ToString(), holder.ToString());
            }
        }

        _listeners!.Refuse(added);
        return null;
    }

    private static void RefuseOutside(Attachment current, List<PortClaim> added)
    {
        var pool = PortSet.Parse(current.NetworkPool ?? "");
        foreach (var claim in added)
        {
            if (pool.Overlaps(claim.Range))
            {
                throw HostListeners.Taken(claim.ToString(), $"the pool {ConfigurationKeys.EphemeralPorts} {pool} holds it");
            }

            if (current.NetworkPorts is { } ports && !PortSet.Parse(ports).Contains(claim.Range))
            {
                throw new CniException(
                    CniErrorCode.InvalidNetworkConfig, $"port {claim} is outside {ConfigurationKeys.Ports}: {ports} of network {current.Network}");
            }
        }
    }

    private Attachment Commit(Attachment begun, bool plainQueue)
    {
        var change = begun.Change!;
        using var store = session.Begin();
        if (store.Find(begun.Key) is not { State: AttachmentState.Ready, Change: not null } current)
        {
            throw new CniException(CniErrorCode.TryAgainLater, $"{begun.Key} was taken down meanwhile");
        }

        var changed = current with
        {
            Claims = change.Claims,
            Egress = change.Egress,
            Ingress = change.Ingress,
            Generation = LiveAttachment.After(begun).Generation,
            PlainQueue = (change.Egress is not null || change.Ingress is not null) && plainQueue,
            Changed = DateTimeOffset.UtcNow,
            Change = null,
        };
        store.Write(changed);
        return changed;
    }

    private CniException TakeBack(Attachment begun, Exception cause)
    {
        var details = ErrorCodes.Find(cause)?.Details;
        try
        {
            Revert(begun);
        }
        catch (Exception e) when (e is IOException or CniException or IsolationException or StoreException)
        {
            details = $"{(details is null ? "" : details + "; ")}taking it back failed as well: {e.Message}; the next update tries again";
        }

        if (ErrorCodes.Find(cause) is { } refused)
        {
            return new CniException(refused.Code, refused.Message, details, cause);
        }

        var limits = begun.Change is { Egress: not null } or { Ingress: not null };
        return FeatureProbe.Explain(limits ? KernelNeeds.Limits : KernelNeeds.None, $"the update of {begun.Key} failed and was taken back", cause, details);
    }

    /// <summary>Puts the kernel back to what the record says without its change, and forgets the change.</summary>
    private void Revert(Attachment begun)
    {
        if (session.Store.Find(begun.Key) is not { State: AttachmentState.Ready })
        {
            return; // Taken down meanwhile, with the filters of both sides.
        }

        using (var kernel = new LiveAttachment(session, begun, mayBeGone: true))
        {
            kernel.Revert();
        }

        using var store = session.Begin();
        if (store.Find(begun.Key) is { Change: not null } current)
        {
            store.Write(current with { Change = null });
        }
    }
}
