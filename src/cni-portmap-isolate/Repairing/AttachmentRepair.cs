using CniIsolator.Cni;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.Attaching;
using CniIsolator.Plugin.Verification;

namespace CniIsolator.Plugin.Repairing;

/// <summary>What came of a repair.</summary>
/// <param name="Mended">Differences that are no more.</param>
/// <param name="Left">Those that are still there.</param>
/// <param name="Assumed">What could not be known, and was taken for so.</param>
internal sealed record RepairResult(IReadOnlyList<string> Mended, IReadOnlyList<string> Left, IReadOnlyList<string> Assumed);

/// <summary>
/// Puts back what a running container has in the kernel, and has it follow a host that has another address, MAC, MTU, gateway or interface by
/// now. The intention stands in the record first, so that DEL knows what there may be, and nobody else changes the container meanwhile.
/// All of it may be done again: what was killed on the way is ended by the next one.
/// </summary>
internal sealed class AttachmentRepair(Session session)
{
    /// <exception cref="CniException">
    /// 3: no such container; 11: somebody else is at it; 103: its namespace is gone; 105: the store; 106: its interface cannot be had again.
    /// </exception>
    /// <exception cref="IOException">The kernel refused.</exception>
    public RepairResult Apply(AttachmentKey key)
    {
        var current = session.Store.Find(key) ?? throw Unknown(key);
        RefuseUnlessRunning(current);
        using var container = RecordedNamespace.TryOpen(current, current.Netns) ?? throw Gone(current);
        var before = Compare(current, container);
        if (before.Count == 0)
        {
            return new RepairResult([], [], []);
        }

        var facts = ReadHost(current);
        var begun = Begin(key, facts);
        var target = Target(begun);
        var plainQueue = Mend(begun, target, facts, container);
        Commit(begun, plainQueue);
        var left = Compare(session.Store.Find(key) ?? throw Unknown(key), container);
        return new RepairResult([.. before.All.Except(left.All)], left.All, _assumed);
    }

    private DifferenceList Compare(Attachment attachment, NetworkNamespace container)
    {
        var differences = new DifferenceList();
        if (attachment.Change is not null)
        {
            differences.Add("state of the record", "no change under way", "a change that has begun and not ended");
        }

        if (session.Store.FindHost()?.HostNetns != attachment.HostNetns)
        {
            differences.Add("note of what the host was like before the first container", "host.json", "none");
        }

        LiveCheck.Compare(differences, session, attachment, container, attachment.Master, null);
        return differences;
    }

    /// <summary>The host as it is now. A master that cannot be shared just now, such as one that is down or gone, leaves what the record says.</summary>
    private HostConfiguration ReadHost(Attachment current)
    {
        try
        {
            var facts = HostConfiguration.Read(session.Host, current.Master, null, HostConfiguration.MostCommonFirst([current.Address]));

            // A host that has lost its default route, as a link does that goes down, has not got another gateway.
            return facts.HasDefaultRoute || current.Gateway is null ? facts : facts with { Gateway = InternetAddress.Parse(current.Gateway) };
        }
        catch (IsolationException) when (FindMaster(current) is { } master && master.Name == current.Master)
        {
            return new HostConfiguration(
                master with { Mac = MacAddress.Parse(current.Mac), Mtu = (uint)current.Mtu },
                new LinkAddress(master.Index, InternetAddress.Parse(current.Address), (byte)current.PrefixLength, 0, false),
                current.Gateway is null ? null : InternetAddress.Parse(current.Gateway),
                current.Gateway is not null,
                default);
        }
    }

    private Link FindMaster(Attachment current)
    {
        // One that is gone may come again; until then all that does not lead to it can be had.
        var found = Links.Find(session.Host, current.MasterIfIndex);
        _isMasterGone = found is null;
        return found ?? new Link(current.MasterIfIndex, current.Master, 0, (uint)current.Mtu, MacAddress.Parse(current.Mac), null, null, 0);
    }

    private Attachment Begin(AttachmentKey key, HostConfiguration facts)
    {
        using var store = session.Begin();
        var current = store.Find(key) ?? throw Unknown(key);
        RefuseUnlessRunning(current);
        var changer = ProcessIdentity.Current;
        var begun = current with
        {
            // The ports of an update that died stay this container's until its filters are gone.
            Change = new AttachmentChange(current.Change?.Claims ?? current.Claims, current.Change?.Egress ?? current.Egress, current.Change?.Ingress ?? current.Ingress)
            {
                Host = new HostValues(
                    facts.Master.Index,
                    facts.Master.Mac.ToString(),
                    (int)facts.Master.Mtu,
                    facts.Address.Address.ToString(),
                    facts.Address.PrefixLength,
                    facts.Gateway?.ToString()),
            },
            CreatorPid = changer.Pid,
            CreatorStartTime = changer.StartTime,
        };
        store.Write(begun);

        // What an earlier repair was about to give the container goes as well.
        _former = current.Change?.Host is { } interrupted ? [current.Host, interrupted] : [current.Host];
        return begun;
    }

    private IReadOnlyList<HostValues> _former = [];

    private IReadOnlyList<string> _assumed = [];

    private bool _isMasterGone;

    private bool Mend(Attachment begun, Attachment target, HostConfiguration facts, NetworkNamespace container)
    {
        var change = begun.Change!;
        if (Links.Find(session.Host, target.HostInterface) is null)
        {
            container.Run(() => ContainerRepair.MakeVeth(target, session.Namespace.Descriptor));
        }

        var link = Links.Find(session.Host, target.HostInterface);
        if (link is null || link.Index != target.IfIndex)
        {
            throw new CniException(CniErrorCode.CheckFailed, $"{target.HostInterface} of {target.Key} is another interface than the container's", "remove it, and repair again");
        }

        using var shared = session.HoldSharedState();
        var note = Note(facts, begun);
        var missing = _isMasterGone ? target.MasterIfIndex : 0;
        var plainQueue = HostRepair.MendEnd(session.Host, target, link, change.Ingress, missing);
        plainQueue |= container.Run(() => ContainerRepair.Mend(target, _former, change.Egress));
        HostRepair.MendShared(session.Host, target, facts, note, missing);
        LeaveOtherMasters(begun, target);
        HostRepair.MendEntries(session.Host, target, missing);
        return plainQueue;
    }

    /// <summary>What has to be put back when the last container goes: of a master that was made again, what is ours there is known only now.</summary>
    private HostRecord Note(HostConfiguration facts, Attachment begun)
    {
        var netns = session.Namespace.Identity.ToString();
        var now = SharedHostState.Describe(session.Host, facts, netns);
        var note = now;
        if (session.Store.FindHost()?.HostNetns != netns)
        {
            (note, _assumed) = SharedHostState.Reconstruct(session.Host, facts, begun);
        }

        using var store = session.Begin();
        if (store.Host is { } kept && kept.HostNetns == netns)
        {
            // Or somebody else's that was just written, of the same host. One that is there stays as long as an attachment does.
            note = kept;
        }

        var isSame = note.MasterIfIndex == facts.Master.Index;
        note = note with
        {
            Master = facts.Master.Name,
            MasterIfIndex = facts.Master.Index,

            // A qdisc that is to be made now was somebody else's no more.
            CreatedMasterQdisc = now.CreatedMasterQdisc || (isSame && note.CreatedMasterQdisc),
            CreatedLoopbackQdisc = now.CreatedLoopbackQdisc || note.CreatedLoopbackQdisc,
        };
        if (store.Host != note)
        {
            store.WriteHost(note);
        }

        return note;
    }

    /// <summary>A master that got another name lives on with our entries.</summary>
    private void LeaveOtherMasters(Attachment begun, Attachment target)
    {
        var batch = new NetlinkBatch();
        foreach (var former in _former.Where(f => f.MasterIfIndex != target.MasterIfIndex))
        {
            foreach (var entry in HostSide.Entries(AttachmentPath.Of(begun) with { Master = former.MasterIfIndex }).Where(e => e.At.Index == former.MasterIfIndex))
            {
                U32Filters.Delete(batch, entry.At, entry.Handle, "remove the container's entries");
            }
        }

        if (batch.Count > 0)
        {
            session.Host.ExecuteOrThrow(batch);
        }
    }

    private void Commit(Attachment begun, bool plainQueue)
    {
        using var store = session.Begin();
        if (store.Find(begun.Key) is not { State: AttachmentState.Ready, Change: not null } current)
        {
            throw new CniException(CniErrorCode.TryAgainLater, $"{begun.Key} was taken down meanwhile");
        }

        store.Write(Target(begun) with { PlainQueue = current.PlainQueue || plainQueue });
    }

    private static Attachment Target(Attachment begun)
    {
        var host = begun.Change!.Host!;
        return begun with
        {
            MasterIfIndex = host.MasterIfIndex,
            Mac = host.Mac,
            Mtu = host.Mtu,
            Address = host.Address,
            PrefixLength = host.PrefixLength,
            Gateway = host.Gateway,
            Change = null,
        };
    }

    private void RefuseUnlessRunning(Attachment current)
    {
        if (!session.IsOnThisHost(current) || !session.Liveness.IsNamespaceAlive(current))
        {
            throw Gone(current);
        }

        if (current.State != AttachmentState.Ready)
        {
            throw new CniException(CniErrorCode.TryAgainLater, $"{current.Key} is {current.State.ToString().ToLowerInvariant()}");
        }

        if (Liveness.IsBeingChanged(current))
        {
            throw new CniException(CniErrorCode.TryAgainLater, $"{current.Key} is being changed by process {current.CreatorPid}");
        }
    }

    private static CniException Unknown(AttachmentKey key) => new(CniErrorCode.UnknownContainer, $"{key} is not attached");

    private static CniException Gone(Attachment current) => new(
        CniErrorCode.NamespaceMissing,
        $"the namespace of {current.Key} is gone: there is nothing to repair",
        current.Rebuilt
            ? "its record was rebuilt from the kernel, which does not tell where the namespace is; DEL removes it"
            : $"\"{current.Netns}\" is not there, or another namespace is in its place; `cni-portmap-isolate gc` clears the record away");
}
