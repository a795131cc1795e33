using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.KernelState.Observation;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Lifecycle;

/// <summary>What became of an attachment that was to be taken down.</summary>
/// <param name="Attachment">Its record as it was.</param>
/// <param name="Fault">Why it is still there, or null.</param>
public sealed record Collected(Attachment Attachment, Exception? Fault)
{
    /// <summary>Why the record of what is gone could not be removed, or null.</summary>
    public StoreException? Kept { get; init; }
}

/// <summary>
/// Takes down attachments for which nobody sends a DEL, many at once: their filters in one batch, their veths as one group. That they are to
/// go the caller decides.
/// </summary>
public sealed class Collector(Session session)
{
    // Bounds what is in flight; a container without fixed ports has some ten entries.
    private const int MostMessages = 4000;

    private readonly ProcessIdentity _self = ProcessIdentity.Current;
    private readonly Dictionary<AttachmentKey, Exception> _faults = [];
    private readonly Dictionary<AttachmentKey, StoreException> _kept = [];

    /// <summary>
    /// Takes them down; a fault of one does not keep the others. Those whose record is not any more as it was given are passed over: somebody
    /// else has taken them down, or made them anew.
    /// </summary>
    /// <returns>Those that were taken up, in the same order.</returns>
    /// <exception cref="IsolationException">The store is busy (11) or cannot be used (105); nothing was taken down then.</exception>
    public IReadOnlyList<Collected> Collect(IReadOnlyList<Attachment> doomed)
    {
        _faults.Clear();
        _kept.Clear();
        if (doomed.Count == 0)
        {
            return [];
        }

        var claimed = Claim(doomed);
        var here = claimed.FindAll(a => session.IsOnThisHost(a) && !_faults.ContainsKey(a.Key));
        Guard(here, () => RemoveKernelSide(here));
        Guard(claimed, () => Release(claimed));
        return [.. claimed.Select(a => new Collected(a, _faults.GetValueOrDefault(a.Key)) { Kept = _kept.GetValueOrDefault(a.Key) })];
    }

    /// <summary>What may go wrong with one attachment, in the kernel, in the store, or since its record has values that nothing can be computed from.</summary>
    public static bool IsFault(Exception e) =>
        e is IOException or UnauthorizedAccessException or IsolationException or StoreException or FormatException or ArgumentException or OverflowException;

    /// <summary>Marks them as being taken down by this process, so that no ADD, update or other collector takes them up meanwhile.</summary>
    private List<Attachment> Claim(IReadOnlyList<Attachment> doomed)
    {
        List<Attachment> claimed = [];
        using var store = session.Begin();
        foreach (var attachment in doomed)
        {
            try
            {
                if (attachment.Equals(store.Find(attachment.Key)))
                {
                    // A full or read-only store keeps nothing from being taken down.
                    store.TryWrite(attachment with { State = AttachmentState.Deleting, Process = _self });
                    claimed.Add(attachment);
                }
            }
            catch (Exception e) when (IsFault(e))
            {
                claimed.Add(attachment);
                _faults[attachment.Key] = e;
            }
        }

        return claimed;
    }

    private void RemoveKernelSide(List<Attachment> here)
    {
        foreach (var attachment in here.Where(a => a.Rebuilt))
        {
            Guard([attachment], () => Detachment.RemoveUnknownEntries(session, attachment));
        }

        RemoveEntries(here);
        Dictionary<string, Attachment> byName = [];
        here.FindAll(a => !_faults.ContainsKey(a.Key)).ForEach(a => byName[a.HostInterface] = a);
        List<Link> links = byName.Count == 1
            ? [.. byName.Keys.Select(name => Links.Find(session.Host, name)).OfType<Link>()]
            : Links.List(session.Host).FindAll(l => byName.ContainsKey(l.Name));
        foreach (var (index, fault) in LinkRemoval.Remove(session.Host, links))
        {
            _faults[byName[links.Find(l => l.Index == index)!.Name].Key] = fault;
        }

        foreach (var attachment in byName.Values)
        {
            Guard([attachment], () => Detachment.RemoveContainerSide(attachment));
        }
    }

    private void RemoveEntries(List<Attachment> here)
    {
        List<Change> steps = [];
        List<Attachment> owners = [];
        foreach (var attachment in here)
        {
            Guard([attachment], () =>
            {
                foreach (var entry in Session.EntriesOf(attachment).SelectMany(p => p.Objects).ToList())
                {
                    steps.Add(new Change(ChangeKind.Delete, entry));
                    owners.Add(attachment);
                }
            });
            if (steps.Count >= MostMessages)
            {
                Flush(steps, owners);
                (steps, owners) = ([], []);
            }
        }

        Flush(steps, owners);
    }

    private void Flush(List<Change> steps, List<Attachment> owners) => Guard(owners, () =>
    {
        foreach (var refusal in session.Kernel().Apply(steps).Refusals)
        {
            _faults.TryAdd(owners[steps.IndexOf(refusal.Change)].Key, refusal.Exception);
        }
    });

    /// <summary>Gives the ports back. A record that is not this process's any more has been taken over by a DEL.</summary>
    private void Release(List<Attachment> claimed)
    {
        using (var store = session.Begin())
        {
            foreach (var attachment in claimed.Where(a => !_faults.ContainsKey(a.Key)))
            {
                Guard([attachment], () =>
                {
                    if (store.Find(attachment.Key) is { } current && (IsMarked(current) || current.Equals(attachment))
                        && session.Forget(store, current) is { } fault)
                    {
                        _kept[attachment.Key] = fault;
                    }
                });
            }
        }

        session.RemoveSharedStateIfUnused();
    }

    private bool IsMarked(Attachment current) => current.State == AttachmentState.Deleting && current.Process == _self;

    /// <summary>A fault is that of all the attachments that the work was for, unless one has a fault already.</summary>
    private void Guard(IEnumerable<Attachment> attachments, Action work)
    {
        try
        {
            work();
        }
        catch (Exception e) when (IsFault(e))
        {
            foreach (var attachment in attachments)
            {
                _faults.TryAdd(attachment.Key, e);
            }
        }
    }
}
