using CniIsolator.Linux;

namespace CniIsolator.Ipam;

/// <summary>
/// Reads the store again and again for somebody who watches it, without the lock: of records that have not changed since the last time it
/// hands out what it read then. Where the kernel tells that nothing has changed at all, it looks at the directory alone. Not for several
/// threads at once.
/// </summary>
public sealed class StoreReader : IDisposable
{
    // The kernel's clock for files advances in steps of up to 10 ms: a file that has just changed may change again within one step.
    private const long StepMilliseconds = 100;

    private readonly StoreDirectory _directory;
    private Dictionary<string, Entry> _entries = [];
    private StoreContent _content = new([], [], null, null) { Networks = [] };
    private IReadOnlyList<NetworkRecord> _networks = [];
    private FileFacts? _networksFacts;
    private bool _networksAreSettled;
    private DirectoryWatch? _watch;
    private FileFacts? _watched;
    private bool _isWhole;

    /// <param name="stateDir">The directory; it need not exist.</param>
    public StoreReader(string stateDir) => _directory = new StoreDirectory(stateDir);

    /// <summary>
    /// The records and networks at this moment: each is whole, but they may be of different moments. Empty where the directory does not
    /// exist. The same object as last time where nothing has changed. What was changed on the host is not read.
    /// </summary>
    /// <exception cref="StoreException">The directory cannot be trusted or read.</exception>
    public StoreContent Read()
    {
        // Root's records are as good as ours to a reader.
        var exists = _directory.IsUsable(0, FileFacts.CurrentUser);
        if (!Watch(exists) && _isWhole)
        {
            return _content;
        }

        _isWhole = false;
        var names = exists ? _directory.AttachmentNames() : [];
        var changed = ReadNetworks(exists) | names.Count != _entries.Count;
        var entries = new Dictionary<string, Entry>(names.Count);
        foreach (var name in names)
        {
            if (StoreDirectory.Look(_directory.PathOf(name)) is not { } facts)
            {
                changed = true;
                continue;
            }

            if (!_entries.TryGetValue(name, out var entry) || !entry.IsSettled || entry.Facts != facts)
            {
                var isSettled = IsSettled(facts);
                var (attachment, fault) = _directory.Read(name);
                entry = new Entry(facts, isSettled, attachment, fault);
                changed = true;
            }

            entries.Add(name, entry);
        }

        _entries = entries;
        _content = changed ? Collect() : _content;
        _isWhole = true;
        return _content;
    }

    public void Dispose() => _watch?.Dispose();

    /// <summary>Whether something may have changed. A watch begins before what it watches is read, so that nothing falls between.</summary>
    private bool Watch(bool exists)
    {
        var directory = exists ? StoreDirectory.Look(_directory.Path) : null;

        // A directory that was renamed takes its watch along.
        if (_watch is not null && directory is { } found && _watched is { } watched && found.IsSameFileAs(watched))
        {
            return _watch.HasChanged();
        }

        _watch?.Dispose();
        _watch = exists ? DirectoryWatch.TryOpen(_directory.Path) : null;
        _watched = directory;
        return true;
    }

    /// <summary>Whether they have changed.</summary>
    private bool ReadNetworks(bool exists)
    {
        var facts = exists ? StoreDirectory.Look(_directory.NetworksPath) : null;
        if (facts == _networksFacts && _networksAreSettled)
        {
            return false;
        }

        _networksAreSettled = facts is null || IsSettled(facts.Value);
        _networksFacts = facts;
        _networks = facts is null ? [] : _directory.LoadNetworks();
        return true;
    }

    private static bool IsSettled(FileFacts facts) => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() - (facts.Changed / 1_000_000) > StepMilliseconds;

    private StoreContent Collect()
    {
        var attachments = new List<Attachment>();
        var unreadable = new List<UnreadableRecord>();
        foreach (var entry in _entries.Values)
        {
            if (entry.Attachment is not null)
            {
                attachments.Add(entry.Attachment);
            }
            else if (entry.Fault is not null)
            {
                unreadable.Add(entry.Fault);
            }
        }

        attachments.Sort(StoreDirectory.ByKey);
        unreadable.Sort(static (a, b) => string.CompareOrdinal(a.Path, b.Path));
        return new StoreContent(attachments, unreadable, null, null) { Networks = _networks };
    }

    private sealed record Entry(FileFacts Facts, bool IsSettled, Attachment? Attachment, UnreadableRecord? Fault);
}
