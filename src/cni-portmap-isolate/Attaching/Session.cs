using CniIsolator.Cni;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Plugin.Attaching;

/// <summary>What one command works with: the host's namespace, the store, and who we are.</summary>
internal sealed class Session : IDisposable
{
    /// <param name="stateDir">The store's directory.</param>
    /// <param name="lockTimeout">How long to wait for other processes; null for the 20 s that every command of the program waits.</param>
    public Session(string stateDir, TimeSpan? lockTimeout = null)
    {
        LockTimeout = lockTimeout ?? TimeSpan.FromSeconds(20);
        Store = new AttachmentStore(stateDir);
        Namespace = NetworkNamespace.OpenCurrent();
        Host = NetlinkConnection.Open();
        Liveness = new Liveness(Host, BootId, Namespace.Identity.ToString());
    }

    /// <summary>How long to wait for another process that holds a lock, or that changes the same attachment.</summary>
    public TimeSpan LockTimeout { get; }

    public AttachmentStore Store { get; }

    /// <summary>The namespace that the plugin runs in.</summary>
    public NetworkNamespace Namespace { get; }

    public NetlinkConnection Host { get; }

    public string BootId { get; } = HostIdentity.BootId;

    public Liveness Liveness { get; }

    /// <summary>
    /// Held shared while entries are put into the shared tables, and exclusively while those tables are taken away.
    /// It is not the store's lock, which is never held while the kernel works.
    /// </summary>
    private string HostLockPath => Path.Combine(Store.StateDir, "host.lock");

    /// <exception cref="CniException">The store is busy (11) or cannot be used (105).</exception>
    public StoreTransaction Begin(FileLock? within = null) => Guard(() => Store.Begin(LockTimeout, within));

    /// <summary>What this command could not write off, since the store's file system is read-only, say: dead records and other files.</summary>
    public SpentState Spent { get; } = new();

    /// <summary>
    /// Removes the record of an attachment whose part of the kernel's state is gone. One that cannot be removed is dead, and keeps nobody from
    /// anything.
    /// </summary>
    /// <returns>Why the record is still there, or null.</returns>
    public StoreException? Forget(StoreTransaction store, Attachment current)
    {
        if (store.TryRemove(current.Key) is not { } fault)
        {
            return null;
        }

        Spent.Add(current, fault);
        return fault;
    }

    /// <summary>While it is held nobody takes the shared tables away, or sweeps them.</summary>
    /// <exception cref="CniException">11: somebody held it exclusively for too long.</exception>
    public FileLock HoldSharedState() => Hold(shared: true);

    /// <summary>While it is held nobody puts entries into the shared tables.</summary>
    /// <exception cref="CniException">11: somebody held it for too long.</exception>
    public FileLock HoldSharedStateAlone() => Hold(shared: false);

    /// <summary>For the end of the store: nobody may be adding anything.</summary>
    /// <returns>Why it is still there, or null.</returns>
    public Exception? RemoveHostLock()
    {
        try
        {
            File.Delete(HostLockPath);
            return null;
        }
        catch (IOException e) when (FileSystem.IsUnwritable(e))
        {
            return e;
        }
    }

    /// <summary>
    /// Takes the shared tables away if no attachment of this host is left, and the master's queues if none has a flow. When somebody is
    /// just adding one, they stay: whoever fails or goes last comes here again.
    /// </summary>
    public void RemoveSharedStateIfUnused()
    {
        using var exclusive = FileLock.TryAcquire(HostLockPath, TimeSpan.Zero);
        if (exclusive is null)
        {
            return;
        }

        HostRecord? record;
        bool inUse;
        using (var store = Begin(exclusive))
        {
            record = store.Host;
            inUse = store.Any(IsUsing) || store.Unreadable.Any(u => Links.Find(Host, u.HostInterface) is not null);
            if (record is null || (inUse && (record.FlowParent is null || store.Any(IsUsingFlow) || store.Unreadable.Count > 0)))
            {
                return;
            }
        }

        // New attachments wait for the lock above, not for the store's.
        if (record.HostNetns == Namespace.Identity.ToString())
        {
            SharedHostState.RemoveFlows(Host, record);
            if (!inUse)
            {
                SharedHostState.Remove(Host, record);
            }
        }

        // One that reserved its ports in the meantime relies on the note, and puts everything back itself.
        using (var store = Begin(exclusive))
        {
            if (!inUse && !store.Any(IsUsing))
            {
                Spent.AddHost(store.TryRemoveHost());
            }
            else if (store.Host is { FlowParent: not null } host && !store.Any(IsUsingFlow))
            {
                // What is left of a note that cannot be written is passed over when the last attachment goes.
                store.TryWriteHost(host with { FlowParent = null });
            }
        }
    }

    private FileLock Hold(bool shared) =>
        FileLock.TryAcquire(HostLockPath, LockTimeout, shared)
        ?? throw new CniException(CniErrorCode.TryAgainLater, $"{HostLockPath} {LockHolder.Describe(HostLockPath)}; gave up after {LockTimeout.TotalSeconds:0.###} s");

    private bool IsUsingFlow(Attachment attachment) => attachment.Flow != 0 && IsUsing(attachment);

    // A dead record whose container nobody took down counts, for its filters may be there still. Where records cannot be removed, it would count
    // for ever.
    private bool IsUsing(Attachment attachment) =>
        IsOnThisHost(attachment) && !Spent.Contains(attachment) && (!Spent.HasRecords || Liveness.IsAlive(attachment));

    public bool IsOnThisHost(Attachment attachment) =>
        attachment.BootId == BootId && attachment.HostNetns == Namespace.Identity.ToString();

    /// <summary>
    /// What the attachment's filters in the shared tables are computed from: while its ports are being changed, or it follows the host to
    /// another master, the old ones and the new ones.
    /// </summary>
    public static IEnumerable<AttachmentPath> PathsOf(Attachment attachment)
    {
        var path = AttachmentPath.Of(attachment);
        return attachment.Change is { } change
            ? [path, path with { Claims = change.Claims }, path with { Master = change.Host?.MasterIfIndex ?? path.Master }]
            : [path];
    }

    public void Dispose()
    {
        Host.Dispose();
        Namespace.Dispose();
    }

    private static T Guard<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (StoreBusyException e)
        {
            throw new CniException(CniErrorCode.TryAgainLater, e.Message);
        }
        catch (StoreException e)
        {
            throw new CniException(CniErrorCode.StoreUnreadable, e.Message);
        }
    }
}
