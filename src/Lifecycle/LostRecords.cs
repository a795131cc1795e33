using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Netlink.Route;
using Serilog;

namespace CniIsolator.Lifecycle;

/// <summary>Records that an ADD comes upon in the kernel but not in the store, or not so that they can be read.</summary>
internal sealed class LostRecords(Session session, HostConfiguration host, ILogger log)
{
    /// <summary>
    /// The kernel has an interface for this slice and the store has not: the record was lost. It is put together again,
    /// and the slice left to its owner.
    /// </summary>
    /// <exception cref="IsolationException">It cannot be put together; the reservation is given back.</exception>
    public void Adopt(Link unknown, Attachment reserved)
    {
        var (rebuilt, reason) = Recovery.TryRebuild(session.Host, unknown, host, session.BootId, session.Self.Netns);
        using var store = session.Begin();
        store.Remove(reserved.Key);
        if (rebuilt is null || store.Find(rebuilt.Key) is not null)
        {
            throw new IsolationException(
                IsolationFault.RolledBack,
                $"interface {unknown.Name} has the index {unknown.Index} that goes with ports {reserved.Ports.Slice}",
                $"the store does not know it, and it could not be taken in: {reason}");
        }

        log.Warning("{Interface} had no record; it was rebuilt from the kernel as {Attachment}", unknown.Name, rebuilt.Key);
        store.Write(rebuilt);
    }

    /// <summary>
    /// Puts records that cannot be read together again from the kernel. One whose interface is gone owns nothing: it is
    /// set aside and reported, once. One that lives and cannot be rebuilt stops every ADD, since its ports are unknown; so does one that an earlier
    /// release wrote, as long as its container lives: it is left as it is.
    /// </summary>
    /// <returns>How many there are that were set aside earlier and own nothing.</returns>
    /// <exception cref="IsolationException">See above.</exception>
    public int RebuildUnreadable(IReadOnlyList<UnreadableRecord> records)
    {
        var examined = 0;
        foreach (var record in records)
        {
            if (Links.Find(session.Host, record.HostInterface) is not { } link)
            {
                if (record.IsSetAside)
                {
                    examined++;
                    continue;
                }

                using var store = session.Begin();
                var aside = store.SetAside(record);
                throw new IsolationException(
                    IsolationFault.StoreUnreadable,
                    $"record {record.Path} is unreadable: {record.Reason}",
                    $"its interface {record.HostInterface} is gone; the record was set aside as {aside.Path}, and the next ADD goes on without it");
            }

            if (record.IsOfOlderVersion)
            {
                throw new IsolationException(
                    IsolationFault.StoreUnreadable,
                    $"record {record.Path} is unreadable: {record.Reason}",
                    $"its interface {record.HostInterface} lives, and was made by a release whose kernel objects this one does not know; nothing was changed: "
                    + "drain the host (DEL its containers, with that release where it is at hand)");
            }

            var (rebuilt, reason) = Recovery.TryRebuild(session.Host, link, host, session.BootId, session.Self.Netns);
            using var writing = session.Begin();
            if (rebuilt is null)
            {
                var path = record.IsSetAside ? record.Path : writing.SetAside(record).Path;
                throw new IsolationException(
                    IsolationFault.StoreUnreadable,
                    $"record {record.Path} is unreadable: {record.Reason}",
                    $"its interface {record.HostInterface} lives, so its ports cannot be given away, and it could not be rebuilt: {reason}; "
                    + $"DEL that container, or put {path} right");
            }

            log.Warning("record {Path} was unreadable ({Reason}) and was rebuilt from the kernel", record.Path, record.Reason);
            writing.RemoveUnreadable(record.HostInterface);
            writing.Write(rebuilt);
        }

        return examined;
    }
}
