using CniIsolator.Linux;

namespace CniIsolator.Ipam;

/// <summary>
/// Exclusive access to the store, until disposed. Each change is on disk when its method returns; there is no
/// rollback, and disposing only releases the lock.
/// </summary>
public sealed class StoreTransaction : IDisposable
{
    private readonly StoreDirectory _directory;
    private readonly FileLock _lock;
<<<<<<< HEAD
    private Content? _content;
    private HostNote? _host;
=======
    private List<Attachment>? _attachments;
    private List<UnreadableRecord>? _unreadable;
    private (HostRecord? Host, UnreadableRecord? Fault)? _host;
>>>>>>> bench
    private FreedSlices? _freed;
    private bool _disposed;

    // Nothing is read before somebody asks: most transactions are about one record, whatever the number of the others.
    internal StoreTransaction(StoreDirectory directory, FileLock held)
    {
        _directory = directory;
        _lock = held;
    }

<<<<<<< HEAD
    /// <summary>The records, including the changes made in this transaction. Reads every file, once.</summary>
    public IReadOnlyList<Attachment> Attachments => Loaded.Attachments;

    /// <summary>Files whose content is not a record, set aside or not: ports that they stand for are not known.</summary>
    public IReadOnlyList<UnreadableRecord> Unreadable => Loaded.Unreadable;

    public HostRecord? Host => Note.Record;

    /// <summary>Why host.json cannot be read, or null. <see cref="WriteHost"/> sets such a file aside first.</summary>
    public UnreadableRecord? UnreadableHost => Note.Fault;

    private Content Loaded
    {
        get
        {
            if (_content is null)
            {
                var loaded = _directory.Load();
                _content = new Content([.. loaded.Attachments], [.. loaded.Unreadable]);
            }

            return _content;
        }
    }

    private HostNote Note
    {
        get
        {
            if (_host is null)
            {
                var (record, fault) = _directory.LoadHost();
                _host = new HostNote(record, fault);
            }

            return _host;
        }
    }
=======
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
>>>>>>> bench

    /// <summary>Slices freed before, for the allocator. A freed.json that cannot be read counts as empty.</summary>
    /// <exception cref="StoreException">The file cannot be opened or read.</exception>
    public FreedSlices Freed => _freed ??= _directory.LoadFreed();

<<<<<<< HEAD
    /// <summary>One record, or null when there is none that can be read. Reads no other file.</summary>
    public Attachment? Find(AttachmentKey key) =>
        _content is null ? _directory.Find(key) : _content.Attachments.Find(a => a.Key == key);

    /// <summary>Whether some record that can be read is such a one. Reads files only until one is.</summary>
    public bool Any(Func<Attachment, bool> condition) =>
        _content is null ? _directory.ReadEach().Any(condition) : _content.Attachments.Any(condition);
=======
    /// <exception cref="StoreException">The file cannot be read.</exception>
    public Attachment? Find(AttachmentKey key) => _attachments is { } loaded ? loaded.Find(a => a.Key == key) : _directory.Find(key);

    /// <summary>Whether there is such a record; reads no further than to the first one.</summary>
    /// <exception cref="StoreException">A file cannot be read.</exception>
    public bool Any(Func<Attachment, bool> predicate) => _attachments is { } loaded
        ? loaded.Any(predicate)
        : _directory.Records().Any(r => r.Attachment is { } attachment && predicate(attachment));
>>>>>>> bench

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
<<<<<<< HEAD
        if (_content is null)
=======
        if (_attachments is null)
>>>>>>> bench
        {
            return;
        }

<<<<<<< HEAD
        _content.Unreadable.RemoveAll(u => u.Path == path);
        var index = _content.Attachments.FindIndex(a => a.Key == attachment.Key);
=======
        _unreadable?.RemoveAll(u => u.Path == path);
        var index = _attachments.FindIndex(a => a.Key == attachment.Key);
>>>>>>> bench
        if (index < 0)
        {
            _content.Attachments.Add(attachment);
        }
        else
        {
            _content.Attachments[index] = attachment;
        }
    }

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
<<<<<<< HEAD
        _content?.Attachments.Remove(attachment);
=======
        _attachments?.Remove(attachment);
>>>>>>> bench
        try
        {
            _freed = Freed.Append(attachment.Slice);
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
<<<<<<< HEAD
        foreach (var record in Loaded.Unreadable.Where(u => u.HostInterface == hostInterface).ToList())
        {
            StoreDirectory.Delete(record.Path);
            Loaded.Unreadable.Remove(record);
=======
        foreach (var record in Unreadable.Where(u => u.HostInterface == hostInterface).ToList())
        {
            StoreDirectory.Delete(record.Path);
            _unreadable?.Remove(record);
>>>>>>> bench
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
<<<<<<< HEAD
        Loaded.Unreadable.Remove(record);
        Loaded.Unreadable.Add(aside);
=======
        _unreadable?.Remove(record);
        _unreadable?.Add(aside);
>>>>>>> bench
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

<<<<<<< HEAD
        if (UnreadableHost is { } unreadable)
        {
            // It may be all that is left of the host's own settings; an operator can still look at it.
            StoreDirectory.SetAside(unreadable.Path);
        }

        _directory.ReplaceFile(_directory.HostPath, StoreFormat.Write(host));
        _host = new HostNote(host, null);
=======
        if (UnreadableHost is { } damaged)
        {
            // It may be all that is left of the host's own settings; an operator can still look at it.
            StoreDirectory.SetAside(damaged.Path);
        }

        _directory.ReplaceFile(_directory.HostPath, StoreFormat.Write(host));
        _host = (host, null);
>>>>>>> bench
    }

    /// <summary>Removes host.json, readable or not. None is fine.</summary>
    /// <exception cref="StoreException">The file cannot be removed.</exception>
    public void RemoveHost()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        StoreDirectory.Delete(_directory.HostPath);
<<<<<<< HEAD
        _host = new HostNote(null, null);
=======
        _host = (null, null);
>>>>>>> bench
    }

    /// <summary>
    /// Deletes every file of the store and its directory, unless something else lies in it. The transaction is good
    /// for nothing but disposing afterwards.
    /// </summary>
    /// <exception cref="StoreException">A file cannot be removed.</exception>
    public void EraseStore()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _directory.Erase();
        Dispose();
    }

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
        _lock.Dispose();
    }

    private sealed record Content(List<Attachment> Attachments, List<UnreadableRecord> Unreadable);

    private sealed record HostNote(HostRecord? Record, UnreadableRecord? Fault);
}
