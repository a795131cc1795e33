using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Lifecycle;

/// <summary>
/// What the plugin made and no record knows: interfaces behind which nothing lives, entries that lead nowhere, records that cannot be read and
/// whose interface is gone.
/// </summary>
/// <param name="session">The command's session.</param>
/// <param name="dryRun">Whether to tell only.</param>
/// <param name="tell">Takes a line for each thing: what it is, and why it goes.</param>
/// <param name="complain">Takes a line for each thing that could not be removed.</param>
public sealed class Orphans(Session session, bool dryRun, Action<string> tell, Action<string> complain)
{
    private readonly NetlinkConnection _host = session.Host;

    /// <summary>Finds orphans and removes them. Nobody puts entries into the shared tables meanwhile.</summary>
    /// <exception cref="IOException">The kernel or the store cannot be looked at.</exception>
    /// <exception cref="IsolationException">11: another process holds a lock for too long.</exception>
    public void Sweep()
    {
        using var alone = dryRun ? null : session.HoldSharedStateAlone();

        // The kernel before the store: whoever makes something writes its record first, and removes it last.
        var links = Links.List(_host);
        var entries = links.Where(l => !IsHostEnd(l)).SelectMany(l => SharedEntries.List(_host, l.Index, l.Name)).ToList();
        List<FilterState> flows = session.Store.FindHost() is { FlowParent: not null } note && note.HostNetns == session.Self.Netns
            ? [.. SharedEntries.ListFlows(_host, note.MasterIfIndex, note.Master)]
            : [];
        var content = session.Store.ReadAll();

        if (content.Unreadable.Any(u => u.IsOfOlderVersion && IndexOf(links, u) != 0))
        {
            // What an earlier release has made here is not understood, and its container may live.
            RemoveRecords(alone, content.Unreadable.Where(u => IndexOf(links, u) == 0));
            return;
        }

        var recorded = content.Attachments.Select(a => a.HostInterface).ToHashSet();
        var unrecorded = links.FindAll(l => IsHostEnd(l) && !recorded.Contains(l.Name));
        var orphans = FindDeserted(unrecorded);
        var known = KnownKeys(content.Attachments);
        var targets = orphans.Select(l => l.Index).ToHashSet();
        Remove(links, "filters", "that lead nowhere", entries.FindAll(e => e.Target == 0 && !known.Contains(e.Key)));
        Remove(links, "filters", "that lead to interfaces without a container", entries.FindAll(e => targets.Contains(e.Target!.Value)));
        RemoveLinks(orphans);

        // Ports without a record may be those of an interface that stays; and a record whose values are unusable has unknown filters.
        if (orphans.Count == unrecorded.Count && content.Attachments.All(a => !session.IsOnThisHost(a) || KeysOf(a) is not null))
        {
            Remove(links, "filters", "that choose a queue for nobody", flows.FindAll(e => !known.Contains(e.Key)));
        }

        RemoveRecords(alone, content.Unreadable.Where(u => targets.Contains(IndexOf(links, u)) || IndexOf(links, u) == 0));
    }

    /// <summary>Whether a link says of itself, by its name and its alias, that it is the host's end of a container.</summary>
    public static bool IsHostEnd(Link link) =>
        link.Kind == "veth" && HostEndAlias.Parse(link.Alias) is { } key && key.HostInterface == link.Name;

    private static int IndexOf(List<Link> links, UnreadableRecord record) => links.Find(l => l.Name == record.HostInterface)?.Index ?? 0;

    private HashSet<ObjectKey> KnownKeys(IEnumerable<Attachment> attachments) =>
        [.. attachments.Where(session.IsOnThisHost).SelectMany(a => KeysOf(a) ?? [])];

    /// <summary>The entries of a record, or null where its values are none that entries could be computed from.</summary>
    private static List<ObjectKey>? KeysOf(Attachment attachment)
    {
        try
        {
            return [.. Session.EntriesOf(attachment).SelectMany(p => p.Objects).Select(o => o.Key)];
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

        var inUse = NamespaceUsage.ReadFarEnds(session.Namespace);
        return unrecorded.FindAll(l => !inUse.Contains(new VethPair(l.Index, l.PeerIndex)));
    }

    private void Remove(List<Link> links, string what, string why, List<FilterState> entries)
    {
        foreach (var place in entries.GroupBy(e => e.Filter.At.Index))
        {
            var name = links.Find(l => l.Index == place.Key)?.Name;
            List<FilterState> doomed = [.. place];
            Attempt($"{doomed.Count} {what} of {name} {why}", () => SharedEntries.Delete(_host, doomed));
        }
    }

    private void RemoveLinks(List<Link> orphans)
    {
        var faults = dryRun ? [] : LinkRemoval.Remove(_host, orphans);
        foreach (var link in orphans)
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
            catch (Exception e) when (Collector.IsFault(e))
            {
                complain($"{thing}: it could not be removed: {e.Message}");
                return;
            }
        }

        tell(thing);
    }
}
