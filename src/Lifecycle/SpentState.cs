using CniIsolator.Ipam;

namespace CniIsolator.Lifecycle;

/// <summary>
/// Files of the store that stand for nothing any more and could not be removed: their file system is read-only, say. They are told of, and keep
/// nothing from being taken down.
/// </summary>
public sealed class SpentState
{
    private readonly List<Attachment> _records = [];
    private readonly List<string> _faults = [];

    /// <summary>Why each file could not be removed; the path is in it.</summary>
    public IReadOnlyList<string> Faults => _faults;

    /// <summary>Whether there is a record of an attachment among them.</summary>
    public bool HasRecords => _records.Count > 0;

    /// <summary>Whether the note of the host is among them: what it describes has been taken away.</summary>
    public bool HasHost { get; private set; }

    /// <summary>Takes the record of an attachment that has been taken down.</summary>
    public void Add(Attachment record, StoreException fault)
    {
        _records.Add(record);
        Add(fault);
    }

    /// <summary>Takes any other file; null is none.</summary>
    public void Add(Exception? fault)
    {
        if (fault is not null && !_faults.Contains(fault.Message))
        {
            _faults.Add(fault.Message);
        }
    }

    /// <summary>Takes the note of the host; null where it could be removed.</summary>
    public void AddHost(StoreException? fault)
    {
        HasHost = fault is not null;
        Add(fault);
    }

    /// <summary>Whether the attachment of this very record has been taken down. One that was made anew under its key is another one.</summary>
    public bool Contains(Attachment record) => _records.Any(record.Equals);
}
