using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;

namespace CniIsolator.Exporter.Namespaces;

/// <summary>
/// The handles of all containers. They are opened when first used, and closed when their container's path no longer leads to
/// the namespace: that is looked at every few seconds, whether samples are taken or not, since an open handle keeps a dead container's
/// namespace and interface.
/// </summary>
internal sealed class NamespaceHandles : IDisposable
{
    /// <summary>How long a namespace without a path is kept at most; longer by as much each time that a sample is just being taken.</summary>
    internal static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(5);

    /// <summary>How long a namespace that could not be entered is left alone.</summary>
    internal static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(30);

    // For the clients' connections, the store and the runtime.
    private const int ReservedDescriptors = 128;

    private readonly Lock _lock = new();
    private readonly Dictionary<AttachmentKey, Entry> _entries = [];
    private readonly byte[] _buffer = new byte[Netlink.NetlinkConnection.BufferBytes];
    private readonly TimeProvider _clock;
    private readonly long _most;
    private readonly ITimer _timer;
    private int _open;
    private int _round;
    private bool _disposed;

    /// <param name="clock">Its timer looks for what must be closed.</param>
    /// <param name="descriptors">How many files the process may have open; handles leave some of them.</param>
    public NamespaceHandles(TimeProvider clock, long descriptors)
    {
        _clock = clock;
        _most = Math.Max(descriptors - ReservedDescriptors, 0) / NamespaceHandle.MostDescriptors;
        _timer = clock.CreateTimer(_ => CloseDead(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Times that a handle could not be opened or used, since the exporter was started.</summary>
    public ulong Failures { get; private set; }

    /// <summary>Windows that are open.</summary>
    internal int Open => _open;

    /// <summary>Begins a sample. Until the scope ends, no handle is closed but by the caller's own calls.</summary>
    public Lock.Scope Hold()
    {
        var scope = _lock.EnterScope();
        _round++;
        return scope;
    }

    /// <summary>
    /// The handle of a container, opened if need be; null where its namespace is gone or cannot be entered, which is not tried again for
    /// a while. Only within <see cref="Hold"/>.
    /// </summary>
    /// <param name="attachment">The container.</param>
    /// <param name="parts">What the handle must have.</param>
    public NamespaceHandle? TryGet(Attachment attachment, NamespaceHandleParts parts)
    {
        var key = attachment.Key;
        var identity = attachment.Namespace.Identity;
        if (_entries.TryGetValue(key, out var entry))
        {
            var same = entry.Identity == identity && entry.Path == attachment.Namespace.Path;
            if (same && entry.Handle is { } handle && (handle.Parts & parts) == parts)
            {
                entry.Round = _round;
                return handle;
            }

            if (same && entry.Handle is null && _clock.GetElapsedTime(entry.Failed) < RetryInterval)
            {
                entry.Round = _round;
                return null;
            }

            Close(entry);
        }

        entry = new Entry(attachment.Namespace.Path, identity) { Round = _round };
        if (_disposed)
        {
            return null;
        }

        _entries[key] = entry;
        TryOpen(attachment, entry, parts);
        return entry.Handle;
    }

    /// <summary>Closes a handle that could not be used, and leaves the container alone for a while. Only within <see cref="Hold"/>.</summary>
    public void Fail(Attachment attachment)
    {
        if (_entries.TryGetValue(attachment.Key, out var entry))
        {
            Close(entry);
            Fail(entry);
        }
    }

    /// <summary>Closes the handles that were not used since <see cref="Hold"/>: their attachments are gone. Only within it.</summary>
    public void CloseOthers()
    {
        // Removing does not disturb the enumeration of a dictionary.
        foreach (var (key, entry) in _entries)
        {
            if (entry.Round != _round)
            {
                Close(entry);
                _entries.Remove(key);
            }
        }
    }

    public void Dispose()
    {
        _timer.Dispose();
        lock (_lock)
        {
            _disposed = true;
            foreach (var entry in _entries.Values)
            {
                Close(entry);
            }

            _entries.Clear();
        }
    }

    private void CloseDead()
    {
        // A sample that is being taken is not waited for: the next turn looks again.
        if (!_lock.TryEnter())
        {
            return;
        }

        try
        {
            foreach (var (key, entry) in _entries)
            {
                if (entry.Handle is not null && !NetworkNamespace.IsAt(entry.Path, entry.Identity))
                {
                    Close(entry);
                    _entries.Remove(key);
                }
            }
        }
        finally
        {
            _lock.Exit();
        }
    }

    private void TryOpen(Attachment attachment, Entry entry, NamespaceHandleParts parts)
    {
        try
        {
            using var container = _open < _most ? RecordedNamespace.TryOpen(attachment, attachment.Namespace.Path) : null;
            if (container is not null)
            {
                entry.Handle = NamespaceHandle.Open(container, parts, _buffer);
                if (_open++ == 0)
                {
                    _timer.Change(LookInterval, LookInterval);
                }

                return;
            }
        }
        catch (Exception e) when (e is IOException or OutOfMemoryException)
        {
            // It cannot be entered, or there are no more descriptors or threads.
        }

        Fail(entry);
    }

    private void Fail(Entry entry)
    {
        entry.Failed = _clock.GetTimestamp();
        Failures++;
    }

    private void Close(Entry entry)
    {
        if (entry.Handle is null)
        {
            return;
        }

        entry.Handle.Dispose();
        entry.Handle = null;
        if (--_open == 0 && !_disposed)
        {
            // Nothing is there to be closed, so nothing needs to wake up for it.
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    private sealed class Entry(string path, NamespaceIdentity identity)
    {
        public string Path { get; } = path;

        public NamespaceIdentity Identity { get; } = identity;

        /// <summary>Null after a failure.</summary>
        public NamespaceHandle? Handle { get; set; }

        /// <summary>Timestamp of the failure.</summary>
        public long Failed { get; set; }

        /// <summary>The sample that it was last asked for in.</summary>
        public int Round { get; set; }
    }
}
