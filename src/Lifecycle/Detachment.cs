using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Lifecycle;

/// <summary>Takes an attachment down: filters first, then the veth, then the record, and with the last one the shared tables.</summary>
public static class Detachment
{
    /// <summary>
    /// Marks an attachment as being taken down by this process: one that is killed on the way leaves a record that says so, and the next one
    /// finishes the work. A process that is just making, changing or removing the same comes to its end first; it would put back what goes
    /// here, or take what the next ADD has made for what it was to remove.
    /// </summary>
    /// <returns>Its record, marked where the store can be written; null where there is none.</returns>
    /// <exception cref="IsolationException">11: the other process took too long, or the store is busy; 105.</exception>
    public static Attachment? Claim(Session session, AttachmentKey key)
    {
        if (!Directory.Exists(session.Store.StateDir))
        {
            return null;
        }

        while (true)
        {
            if (!SpinWait.SpinUntil(() => session.Store.Find(key) is not { } found || !session.Conditions.IsBusy(found), session.LockTimeout)
                && session.Store.Find(key) is { } busy)
            {
                throw new IsolationException(
                    IsolationFault.TryAgainLater,
                    $"{key} is being {Conditions.DescribeWork(busy)} by process {busy.Process.Pid}",
                    $"waited {session.LockTimeout.TotalSeconds:0.###} s for it; DEL again when it has ended");
            }

            using var store = session.Begin();
            if (store.Find(key) is not { } attachment)
            {
                return null;
            }

            if (session.Conditions.IsBusy(attachment))
            {
                continue; // The next one has begun before we had the lock.
            }

            var marked = attachment with { State = AttachmentState.Deleting, Process = ProcessIdentity.Current };

            // A full or read-only store keeps nothing from being taken down. Who comes meanwhile sees the interface, which goes last.
            return store.TryWrite(marked) ? marked : attachment;
        }
    }

    /// <summary>Removes everything of an attachment that has a record. What is gone already is passed over.</summary>
    /// <param name="session">The command's session.</param>
    /// <param name="attachment">Its record, as <see cref="Claim"/> gave it.</param>
    /// <param name="netns">Another path to the container's namespace, if the runtime gave one.</param>
    public static void Remove(Session session, Attachment attachment, string netns = "")
    {
        if (session.IsOnThisHost(attachment))
        {
            if (attachment.Rebuilt)
            {
                RemoveUnknownEntries(session, attachment, netns);
            }

            SharedEntries.Remove(session.Kernel(), Session.EntriesOf(attachment));
            LinkRemoval.RemoveByName(session.Host, attachment.HostInterface);
            RemoveContainerSide(attachment, netns);
        }

        using (var store = session.Begin())
        {
            if (store.Find(attachment.Key) is { } current && current.Equals(attachment))
            {
                session.Forget(store, current);
            }
        }

        session.RemoveSharedStateIfUnused();
    }

    /// <summary>Removes what a rebuilt record does not tell. Everything of it is reached through the interface, so it comes before that goes.</summary>
    /// <param name="session">The command's session.</param>
    /// <param name="attachment">Its record.</param>
    /// <param name="netns">A path to the container's namespace, if the runtime gave one.</param>
    public static void RemoveUnknownEntries(Session session, Attachment attachment, string netns = "")
    {
        if (Links.Find(session.Host, attachment.HostInterface) is not { } link)
        {
            return;
        }

        // Nobody knows any more which namespace it was made in, so the other end has to tell.
        RemoveFarSide(attachment.Key, link, netns);

        // Rebuilt in the middle of a change, its ports make up other blocks than those that the kernel has.
        SharedEntries.RemoveLeadingTo(session.Host, [Hooks.Loopback, attachment.Host.MasterIndex], link.Index);
        SharedEntries.RemoveOfFlow(session.Host, attachment.Host.MasterIndex, attachment.Numbers.Flow);
    }

    /// <summary>
    /// Removes what a key stands for when there is no record, or none that can be read: the veth's name follows from
    /// the key, and the entries are those that lead to it.
    /// </summary>
    /// <param name="session">The command's session.</param>
    /// <param name="key">Whose.</param>
    /// <param name="netns">Path to the container's namespace, if the runtime gave one.</param>
    public static void RemoveWithoutRecord(Session session, AttachmentKey key, string netns = "")
    {
        if (!Directory.Exists(session.Store.StateDir))
        {
            RemoveUnrecorded();
            return;
        }

        if (Links.Find(session.Host, key.HostInterface) is not null)
        {
            // Nobody puts in entries meanwhile that lead to what has got the interface's index next.
            using var alone = session.HoldSharedStateAlone();
            RemoveUnrecorded();
        }

        using (var store = session.Begin())
        {
            session.Spent.Add(store.TryRemoveUnreadable(key.HostInterface));
        }

        session.RemoveSharedStateIfUnused();

        void RemoveUnrecorded()
        {
            // The kernel before the store: an ADD writes its record before it makes anything, so this is not the next one's.
            if (Links.Find(session.Host, key.HostInterface) is { } link && session.Store.Find(key) is null)
            {
                SharedEntries.RemoveLeadingTo(session.Host, Links.List(session.Host).Select(l => l.Index).Where(i => i != link.Index), link.Index);
                RemoveFarSide(key, link, netns);
                LinkRemoval.RemoveByName(session.Host, key.HostInterface);
            }
        }
    }

    /// <summary>Cleans the namespace only if it is the one that holds the veth's other end: the path is all that is known of it.</summary>
    private static void RemoveFarSide(AttachmentKey key, Link hostEnd, string netns)
    {
        if (netns.Length == 0)
        {
            return;
        }

        try
        {
            using var container = NetworkNamespace.Open(netns);
            container.Run(() =>
            {
                using var connection = NetlinkConnection.Open();
                if (Links.Find(connection, key.IfName) is { Kind: "veth" } end && end.Index == hostEnd.PeerIndex && end.PeerIndex == hostEnd.Index)
                {
                    RestoreContainer(null);
                }
            });
        }
        catch (IOException)
        {
            // The namespace has gone, and everything in it.
        }
    }

    private static void RestoreContainer(ContainerBefore? before)
    {
        foreach (var step in ContainerRestoration.Steps(before))
        {
            try
            {
                step();
            }
            catch (IOException)
            {
                // What is in a namespace that is just ending goes with it.
            }
        }
    }

    /// <summary>Puts the container's loopback and sysctls back, where its namespace lives on.</summary>
    /// <param name="attachment">Its record.</param>
    /// <param name="netns">Another path to the container's namespace, if the runtime gave one.</param>
    public static void RemoveContainerSide(Attachment attachment, string netns = "")
    {
        foreach (var path in (string[])[netns, attachment.Namespace.Path])
        {
            using var container = RecordedNamespace.TryOpen(attachment, path);
            if (container is null)
            {
                continue;
            }

            try
            {
                container.Run(() => RestoreContainer(attachment.Before));
                return;
            }
            catch (IOException)
            {
                // What is in a namespace that is just ending goes with it.
            }
        }
    }
}
