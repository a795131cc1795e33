using System.Net;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Lifecycle;

/// <summary>What one command works with: the host's namespace, the store, and who we are.</summary>
public sealed class Session : IDisposable
{
    /// <param name="stateDir">The store's directory.</param>
    /// <param name="lockTimeout">How long to wait for other processes; null for the 20 s that every command of the program waits.</param>
    public Session(string stateDir, TimeSpan? lockTimeout = null)
    {
        LockTimeout = lockTimeout ?? TimeSpan.FromSeconds(20);
        Store = new AttachmentStore(stateDir);
        Namespace = NetworkNamespace.OpenCurrent();
        Host = NetlinkConnection.Open();
        Self = new HostReference(HostIdentity.BootId, Namespace.Identity.ToString());
        Conditions = new Conditions(Host, Self);
    }

    /// <summary>How long to wait for another process that holds a lock, or that changes the same attachment.</summary>
    public TimeSpan LockTimeout { get; }

    public AttachmentStore Store { get; }

    /// <summary>The namespace that the plugin runs in.</summary>
    public NetworkNamespace Namespace { get; }

    public NetlinkConnection Host { get; }

    public string BootId => Self.BootId;

    /// <summary>How attachments are.</summary>
    public Conditions Conditions { get; }

    /// <summary>This boot, and the namespace that the plugin runs in.</summary>
    public HostReference Self { get; }

    /// <summary>
    /// Held shared while entries are put into the shared tables, and exclusively while those tables are taken away.
    /// It is not the store's lock, which is never held while the kernel works.
    /// </summary>
    private string HostLockPath => Path.Combine(Store.StateDir, "host.lock");

    /// <exception cref="IsolationException">The store is busy (11) or cannot be used (105).</exception>
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
    /// <exception cref="IsolationException">11: somebody held it exclusively for too long.</exception>
    public FileLock HoldSharedState() => Hold(shared: true);

    /// <summary>While it is held nobody puts entries into the shared tables.</summary>
    /// <exception cref="IsolationException">11: somebody held it for too long.</exception>
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
        if (record.HostNetns == Self.Netns)
        {
            HostDataPath.RemoveFlows(Host, record);
            if (!inUse)
            {
                HostDataPath.Remove(Host, record);
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
        ?? throw new IsolationException(IsolationFault.TryAgainLater, $"{HostLockPath} {LockHolder.Describe(HostLockPath)}; gave up after {LockTimeout.TotalSeconds:0.###} s");

    private bool IsUsingFlow(Attachment attachment) => attachment.Numbers.Flow != 0 && IsUsing(attachment);

    // A dead record whose container nobody took down counts, for its filters may be there still. Where records cannot be removed, it would count
    // for ever.
    private bool IsUsing(Attachment attachment) =>
        IsOnThisHost(attachment) && !Spent.Contains(attachment) && (!Spent.HasRecords || Conditions.IsAlive(attachment));

    public bool IsOnThisHost(Attachment attachment) => attachment.MadeOn == Self;

    /// <summary>The addresses that containers of this host share already, those of most containers first. Read when asked for.</summary>
    public Func<IReadOnlyCollection<IPAddress>> SharedAddresses() => () =>
        AddressesOf(Store.ReadAll().Attachments.Where(a => a.State == AttachmentState.Ready && IsOnThisHost(a)));

    /// <summary>The addresses that containers have, those of most containers first.</summary>
    public static IReadOnlyList<IPAddress> AddressesOf(IEnumerable<Attachment> attachments) =>
        [.. attachments.GroupBy(a => a.Host.Address).OrderByDescending(g => g.Count()).Select(g => g.Key)];

    /// <summary>Whether a host end of this name is there, and whose it says that it is.</summary>
    /// <param name="name">The interface.</param>
    /// <param name="owner">By its alias; null where it has none, or another's.</param>
    public bool HasHostEnd(string name, out AttachmentKey? owner)
    {
        var link = Links.Find(Host, name);
        owner = HostEndAlias.Parse(link?.Alias) is { } key && key.HostInterface == name ? key : null;
        return link is not null;
    }

    /// <summary>The host, for a container that is to be attached.</summary>
    /// <param name="master">Name of the interface whose address is shared; null for that of the IPv4 default route.</param>
    /// <param name="address">The address to share; null for no wish.</param>
    /// <exception cref="IsolationException">7: there is no such interface or address, or it cannot be shared.</exception>
    public HostConfiguration ReadHost(string? master, IPAddress? address)
    {
        try
        {
            return HostConfiguration.Read(Host, master, address, SharedAddresses());
        }
        catch (IsolationException e) when (
            e.Details is null && master is not null && Links.Find(Host, master) is null && FindSharer(master) is { } other)
        {
            const string Repair = "`cni-portmap-isolate repair --all` has the containers that share it follow";
            throw new IsolationException(
                e.Fault,
                e.Message,
                Links.Find(Host, other.Host.MasterIndex) is { } renamed
                    ? $"it is {renamed.Name} now: {Repair}; then name {renamed.Name} in the configuration"
                    : $"once it is there again, {Repair}",
                e);
        }
    }

    private Attachment? FindSharer(string master) =>
        Store.ReadAll().Attachments.FirstOrDefault(a => IsOnThisHost(a) && a.Host.Master == master && Conditions.IsAlive(a));

    /// <summary>The host, for plans.</summary>
    /// <param name="programs">The loaded programs; null where no filter with one is made.</param>
    public NamespaceKernel Kernel(HostEndPrograms? programs = null) => new(Host, Place.Host, Namespace.Descriptor, programs);

    /// <summary>
    /// The attachment's entries among the shared filters: while its ports are being changed, or it follows the host to another master, the old ones and
    /// the new ones.
    /// </summary>
    public static IEnumerable<Plan> EntriesOf(Attachment attachment)
    {
        var path = AttachmentPath.Of(attachment);
        IEnumerable<AttachmentPath> paths = attachment.Change is { } change
            ? [path, path with { Claims = change.Claims }, path with { Master = change.Host?.MasterIndex ?? path.Master }]
            : [path];
        return paths.Select(p => AttachmentPlan.Of(attachment, p).Entries);
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
            throw new IsolationException(IsolationFault.TryAgainLater, e.Message);
        }
        catch (StoreException e)
        {
            throw new IsolationException(IsolationFault.StoreUnreadable, e.Message);
        }
    }
}
