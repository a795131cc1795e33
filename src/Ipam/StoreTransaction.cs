using CniIsolator.Linux;

namespace CniIsolator.Ipam;

/// <summary>
/// Exclusive access to the store, until disposed. Each change is on disk when its method returns; there is no
/// rollback, and disposing only releases the lock.
/// </summary>
public sealed class StoreTransaction : IDisposable
{
    // Far more than a host has: it bounds the file where names come and go.
    private const int MostNetworks = 64;

    private readonly StoreDirectory _directory;
    private readonly FileLock? _lock;
    private List<Attachment>? _attachments;
    private List<UnreadableRecord>? _unreadable;
    private (HostRecord? Host, UnreadableRecord? Fault)? _host;
    private FreedSlices? _freed;
    private bool _disposed;

    // Nothing is read before somebody asks: most transactions are about one record, whatever the number of the others.
    // Without a lock of its own it lives inside one that the caller holds.
    internal StoreTransaction(StoreDirectory directory, FileLock? held)
    {
        _directory = directory;
        _lock = held;
    }

    /// <summary>The records, including the changes made in this transaction.</summary>
    /// <exception cref="StoreException">A file cannot be read.</exception>
    public IReadOnlyList<Attachment> Attachments => Load().Attachments;

    /// <summary>Files whose content is not a record, set aside or not: ports that they stand for are not known.</summary>
    /// <exception cref="StoreException">A file cannot be read.</exception>
    public IReadOnlyList<UnreadableRecord> Unreadable => Load().Unreadable;

    /// <exception cref="StoreException">The file cannot be read.</exception>
    public HostRecord? Host => (_host ??= _directory.LoadHost()).Host;

    /// <summary>Why host.json cannot be read, or null. <see cref="WriteHost"/> sets such a file aside first.</summary>
    /// <exception cref="StoreException">The file cannot be read.</exception>
    public UnreadableRecord? UnreadableHost => (_host ??= _directory.LoadHost()).Fault;

    /// <summary>Slices freed before, for the allocator. A freed.json that cannot be read counts as empty.</summary>
    /// <exception cref="StoreException">The file cannot be opened or read.</exception>
    public FreedSlices Freed => _freed ??= _directory.LoadFreed();

    /// <exception cref="StoreException">The file cannot be read.</exception>
    public Attachment? Find(AttachmentKey key) => _attachments is { } loaded ? loaded.Find(a => a.Key == key) : _directory.Find(key);

    /// <summary>Whether there is such a record; reads no further than to the first one.</summary>
    /// <exception cref="StoreException">A file cannot be read.</exception>
    public bool Any(Func<Attachment, bool> predicate) => _attachments is { } loaded
        ? loaded.Any(predicate)
        : _directory.Records().Any(r => r.Attachment is { } attachment && predicate(attachment));

    /// <summary>Writes a record in the place of the previous one of the same key.</summary>
    /// <exception cref="ArgumentException">The record is one that could not be read back.</exception>
    /// <exception cref="StoreException">Writing failed; the previous record is still there.</exception>
    public void Write(Attachment attachment)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (attachment.FindFault() is { } fault)
        {
            throw new ArgumentException(fault, nameof(attachment));
        }

        var path = _directory.RecordPath(attachment.Key);
        _directory.ReplaceFile(path, StoreFormat.Write(attachment));
        if (_attachments is null)
        {
            return;
        }

        _unreadable?.RemoveAll(u => u.Path == path);
        var index = _attachments.FindIndex(a => a.Key == attachment.Key);
        if (index < 0)
        {
            _attachments.Add(attachment);
        }
        else
        {
            _attachments[index] = attachment;
        }
    }

    /// <summary>
    /// Writes a record as <see cref="Write"/> does, but a full or read-only file system is no error: for what a teardown notes on its way.
    /// </summary>
    /// <returns>Whether it was written; otherwise the previous record is still there.</returns>
    /// <exception cref="ArgumentException">The record is one that could not be read back.</exception>
    public bool TryWrite(Attachment attachment) => Attempt(() => Write(attachment)) is null;

    /// <summary>Writes host.json as <see cref="WriteHost"/> does, but a full or read-only file system is no error.</summary>
    /// <returns>Whether it was written; otherwise the previous one is still there.</returns>
    /// <exception cref="ArgumentException">The record is one that could not be read back.</exception>
    public bool TryWriteHost(HostRecord host) => Attempt(() => WriteHost(host)) is null;

    /// <summary>Removes a record as <see cref="Remove"/> does, but on a read-only file system one that stays is no error: it stands for nothing any more.</summary>
    /// <returns>Why the file could not be removed, or null where there is no such record now.</returns>
    public StoreException? TryRemove(AttachmentKey key) => AttemptRemoval(() => Remove(key));

    /// <summary>Deletes files as <see cref="RemoveUnreadable"/> does, but on a read-only file system those that stay are no error.</summary>
    /// <returns>Why a file could not be removed, or null where there are none now.</returns>
    public StoreException? TryRemoveUnreadable(string hostInterface) => AttemptRemoval(() => RemoveUnreadable(hostInterface));

    /// <summary>Removes host.json as <see cref="RemoveHost"/> does, but on a read-only file system it is no error if it stays.</summary>
    /// <returns>Why the file could not be removed, or null where there is none now.</returns>
    public StoreException? TryRemoveHost() => AttemptRemoval(RemoveHost);

    /// <summary>Removes a record, which frees its ports, and notes its slice as freed last.</summary>
    /// <returns>False when there was none.</returns>
    /// <exception cref="StoreException">The file cannot be removed.</exception>
    public bool Remove(AttachmentKey key)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Find(key) is not { } attachment)
        {
            return false;
        }

        StoreDirectory.Delete(_directory.RecordPath(key));
        _attachments?.Remove(attachment);
        try
        {
            _freed = Freed.Append(attachment.Ports.Slice);
            _directory.ReplaceFile(_directory.FreedPath, StoreFormat.Write(_freed));
        }
        catch (StoreException)
        {
            // On a full disk it must still be possible to remove containers. What is lost is a preference.
        }

        return true;
    }

    /// <summary>Deletes the files, set aside or not, of a record that cannot be read. None is fine.</summary>
    /// <exception cref="StoreException">A file cannot be removed.</exception>
    public void RemoveUnreadable(string hostInterface)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        foreach (var record in Unreadable.Where(u => u.HostInterface == hostInterface).ToList())
        {
            StoreDirectory.Delete(record.Path);
            _unreadable?.Remove(record);
        }
    }

    /// <summary>Renames a file that cannot be read to *.unreadable, never over an earlier one.</summary>
    /// <returns>The record under its new path; one set aside before is returned as it is.</returns>
    /// <exception cref="StoreException">Renaming failed.</exception>
    public UnreadableRecord SetAside(UnreadableRecord record)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (record.IsSetAside)
        {
            return record;
        }

        var aside = record with { Path = StoreDirectory.SetAside(record.Path), IsSetAside = true };
        _unreadable?.Remove(record);
        _unreadable?.Add(aside);
        return aside;
    }

    /// <summary>Writes host.json.</summary>
    /// <exception cref="ArgumentException">The record is one that could not be read back.</exception>
    /// <exception cref="StoreException">Writing failed; the previous record is still there.</exception>
    public void WriteHost(HostRecord host)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (host.FindFault() is { } fault)
        {
            throw new ArgumentException(fault, nameof(host));
        }

        if (UnreadableHost is { } damaged)
        {
            // It may be all that is left of the host's own settings; an operator can still look at it.
            StoreDirectory.SetAside(damaged.Path);
        }

        _directory.ReplaceFile(_directory.HostPath, StoreFormat.Write(host));
        _host = (host, null);
    }

    /// <summary>Removes host.json, readable or not. None is fine.</summary>
    /// <exception cref="StoreException">The file cannot be removed.</exception>
    public void RemoveHost()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        StoreDirectory.Delete(_directory.HostPath);
        _host = (null, null);
    }

    /// <summary>
    /// Notes a network as it is now, in the place of what was noted of it before. Only those of the same boot stay beside it. A note that
    /// cannot be written is not missed: it owns nothing.
    /// </summary>
    public void NoteNetwork(NetworkRecord network)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var known = _directory.LoadNetworks();
        if (known.Contains(network))
        {
            return;
        }

        List<NetworkRecord> networks = [.. known];
        networks.RemoveAll(other => other.BootId != network.BootId || (other.Name == network.Name && other.HostNetns == network.HostNetns));
        if (networks.Count == MostNetworks)
        {
            networks.RemoveAt(0);
        }

        networks.Add(network);
        try
        {
            _directory.ReplaceFile(_directory.NetworksPath, StoreFormat.Write(networks));
        }
        catch (StoreException)
        {
            // On a full disk an attachment must not fail for this.
        }
    }

    /// <summary>
    /// Deletes every file of the store and its directory, unless something else lies in it. The transaction is good
    /// for nothing but disposing afterwards.
    /// </summary>
    /// <exception cref="StoreException">A file cannot be removed; the others have been.</exception>
    public void EraseStore()
    {
        if (TryEraseStore() is [var first, ..])
        {
            throw first;
        }
    }

    /// <summary>The same, but what stays is no error.</summary>
    /// <returns>Why some of it is still there: one for each file.</returns>
    /// <exception cref="StoreException">The directory cannot be listed.</exception>
    public IReadOnlyList<StoreException> TryEraseStore()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var faults = _directory.Erase();
        Dispose();
        return faults;
    }

    private static StoreException? Attempt(Action change)
    {
        try
        {
            change();
            return null;
        }
        catch (StoreException e)
        {
            return e;
        }
    }

    /// <summary>Nothing can be removed from a read-only file system by anybody; what keeps one file alone there somebody has to look into.</summary>
    private static StoreException? AttemptRemoval(Action removal) =>
        Attempt(removal) is not { } fault ? null : fault.InnerException is IOException { HResult: (int)Errno.ReadOnlyFileSystem } ? fault : throw fault;

    private (List<Attachment> Attachments, List<UnreadableRecord> Unreadable) Load()
    {
        if (_attachments is null || _unreadable is null)
        {
            var content = _directory.Load();
            _attachments = [.. content.Attachments];
            _unreadable = [.. content.Unreadable];
        }

        return (_attachments, _unreadable);
    }

    /// <summary>Releases the lock.</summary>
    public void Dispose()
    {
        _disposed = true;
        _lock?.Dispose();
    }
}
