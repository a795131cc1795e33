namespace CniIsolator.Ipam.Tests;

/// <summary>A store in a directory of its own, which does not exist yet.</summary>
public abstract class StoreTest : IDisposable
{
    /// <summary>Long enough that only a bug lets it run out.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    protected StoreTest() => Store = new AttachmentStore(Root["state"]);

    protected TemporaryDirectory Root { get; } = new();

    protected AttachmentStore Store { get; }

    public void Dispose()
    {
        Root.Dispose();
        GC.SuppressFinalize(this);
    }

    protected string InStore(string name) => Path.Combine(Store.StateDir, name);

    protected string RecordPath(Attachment attachment) => InStore(attachment.HostInterface + ".json");

    protected IReadOnlyList<string> Names() =>
        [.. Directory.EnumerateFileSystemEntries(Store.StateDir).Select(p => Path.GetFileName(p)).Order(StringComparer.Ordinal)];

    protected void Write(params Attachment[] attachments)
    {
        using var transaction = Store.Begin(Patience);
        foreach (var attachment in attachments)
        {
            transaction.Write(attachment);
        }
    }
}
