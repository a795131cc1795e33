using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Plugin.Attaching;

/// <summary>
/// What the plugin made and no record knows: interfaces behind which nothing lives, entries that lead nowhere, records that cannot be read and
/// whose interface is gone.
/// </summary>
/// <param name="session">The command's session.</param>
/// <param name="dryRun">Whether to tell only.</param>
/// <param name="tell">Takes a line for each thing: what it is, and why it goes.</param>
/// <param name="complain">Takes a line for each thing that could not be removed.</param>
internal sealed class Strays(Session session, bool dryRun, Action<string> tell, Action<string> complain)
{
    private readonly NetlinkConnection _host = session.Host;

    /// <summary>Finds strays and removes them. Nobody puts entries into the shared tables meanwhile.</summary>
    /// <exception cref="IOException">The kernel or the store cannot be looked at.</exception>
    /// <exception cref="Cni.CniException">11: another process holds a lock for too long.</exception>
    public void Sweep()
    {
        using var alone = dryRun ? null : session.HoldSharedStateAlone();

        // The kernel before the store: whoever makes something writes its record first, and removes it last.
        var links = Links.List(_host);
        var entries = links.Where(l => !IsHostEnd(l)).SelectMany(ListEntries).ToList();
        var flows = session.Store.FindHost() is { FlowParent: not null } note && note.HostNetns == session.Namespace.Identity.ToString()
            ? U32Filters.List(_host, FilterPlaces.Internet(note.MasterIfIndex, UniqueFlows.Qdisc)).OfType<U32Node>().Where(IsFlowEntry).ToList()
            : [];
        var content = session.Store.ReadAll();

        var recorded = content.Attachments.Select(a => a.HostInterface).ToHashSet();
        var unrecorded = links.FindAll(l => IsHostEnd(l) && !recorded.Contains(l.Name));
        var strays = FindDeserted(unrecorded);
        var known = KnownHandles(content.Attachments);
        var targets = strays.Select(l => l.Index).ToHashSet();
        Remove(links, "filters", "that lead nowhere", entries.FindAll(n => n.Action!.Target == 0 && !known.Contains(new FilterPlace(n.At, n.Handle))));
        Remove(links, "filters", "that lead to interfaces without a container", entries.FindAll(n => targets.Contains(n.Action!.Target)));
        RemoveLinks(strays);

        // Ports without a record may be those of an interface that stays; and a record whose values are unusable has unknown filters.
        if (strays.Count == unrecorded.Count && content.Attachments.All(a => !session.IsOnThisHost(a) || HandlesOf(a) is not null))
        {
            Remove(links, "filters", "that choose a queue for nobody", flows.FindAll(n => !known.Contains(new FilterPlace(n.At, n.Handle))));
        }

        RemoveRecords(alone, content.Unreadable.Where(u => targets.Contains(IndexOf(links, u)) || IndexOf(links, u) == 0));
    }

    /// <summary>Whether a link says of itself, by its name and its alias, that it is the host's end of a container.</summary>
    public static bool IsHostEnd(Link link) =>
        link.Kind == "veth" && HostSide.ParseAlias(link.Alias) is { } key && key.HostInterface == link.Name;

    private static bool IsFlowEntry(U32Node node) =>
        node.Class is { } id && id >> 16 == UniqueFlows.Qdisc >> 16 && (id & 0xffff) is >= FlowNumber.First and <= FlowNumber.Last;

    private static int IndexOf(List<Link> links, UnreadableRecord record) => links.Find(l => l.Name == record.HostInterface)?.Index ?? 0;

    private IEnumerable<U32Node> ListEntries(Link device) =>
        ((FilterAttachment[])[FilterPlaces.Arp(device.Index), FilterPlaces.Internet(device.Index)])
        .SelectMany(place => U32Filters.List(_host, place))
        .OfType<U32Node>()
        .Where(n => n.Action is not null);

    private HashSet<FilterPlace> KnownHandles(IEnumerable<Attachment> attachments) =>
        [.. attachments.Where(session.IsOnThisHost).SelectMany(a => HandlesOf(a) ?? [])];

    /// <summary>The entries of a record, or null where its values are none that entries could be computed from.</summary>
    private static List<FilterPlace>? HandlesOf(Attachment attachment)
    {
        try
        {
            return [.. Session.PathsOf(attachment).SelectMany(HostSide.Entries).Select(f => new FilterPlace(f.At, f.Handle))];
        }
        catch (Exception e) when (e is FormatException or ArgumentException or OverflowException)
        {
            return null;
        }
    }

    /// <summary>Those whose other end is in no namespace that a process is in, or that is mounted anywhere this process sees.</summary>
    private List<Link> FindDeserted(List<Link> unrecorded)
    {
        if (unrecorded.Count == 0)
        {
            return [];
        }

        var inUse = NamespaceCensus.ReadFarEnds(session.Namespace);
        return unrecorded.FindAll(l => !inUse.Contains(new VethPair(l.Index, l.PeerIndex)));
    }

    private void Remove(List<Link> links, string what, string why, List<U32Node> nodes)
    {
        foreach (var place in nodes.GroupBy(n => n.At.Index))
        {
            var name = links.Find(l => l.Index == place.Key)?.Name;
            var batch = new NetlinkBatch();
            foreach (var node in place)
            {
                U32Filters.Delete(batch, node.At, node.Handle, "remove stray entries");
            }

            Attempt($"{batch.Count} {what} of {name} {why}", () => _host.ExecuteOrThrow(batch));
        }
    }

    private void RemoveLinks(List<Link> strays)
    {
        var faults = dryRun ? [] : LinkRemoval.Remove(_host, strays);
        foreach (var link in strays)
        {
            Attempt(
                $"interface {link.Name} ({link.Alias}): no record knows it, and nothing lives at its other end",
                () =>
                {
                    if (faults.TryGetValue(link.Index, out var fault))
                    {
                        throw fault;
                    }
                });
        }
    }

    private void RemoveRecords(FileLock? alone, IEnumerable<UnreadableRecord> records)
    {
        foreach (var record in records)
        {
            Attempt($"record {record.Path}: it is unreadable ({record.Reason}), and its interface is gone", () =>
            {
                using var store = session.Begin(alone);
                if (Links.Find(_host, record.HostInterface) is null)
                {
                    // On a read-only file system the file stays, and stands for nothing.
                    session.Spent.Add(store.TryRemoveUnreadable(record.HostInterface));
                }
            });
        }
    }

    private void Attempt(string thing, Action removal)
    {
        if (!dryRun)
        {
            try
            {
                removal();
            }
            catch (Exception e) when (Reaper.IsFault(e))
            {
                complain($"{thing}: it could not be removed: {e.Message}");
                return;
            }
        }

        tell(thing);
    }

    /// <summary>What tells filters from each other.</summary>
    private sealed record FilterPlace(FilterAttachment At, U32Handle Handle);
}
