namespace CniIsolator.Ipam;

/// <summary>A file that should be an attachment's record and is not.</summary>
/// <param name="Path">The file.</param>
/// <param name="HostInterface">The file name up to ".json": name of the host end, if the file came from this program.</param>
/// <param name="Reason">What is wrong with the content.</param>
/// <param name="IsSetAside">Whether it was renamed out of the way before, to *.unreadable.</param>
public sealed record UnreadableRecord(string Path, string HostInterface, string Reason, bool IsSetAside)
{
    /// <summary>Whether an earlier release wrote it: nothing is wrong with it, and only that release knows what its container has.</summary>
    public bool IsOfOlderVersion { get; init; }
}

/// <summary>What the store holds at one moment.</summary>
/// <param name="Attachments">By network, container and interface name.</param>
/// <param name="Unreadable">Files whose ports nobody knows.</param>
/// <param name="Host">What was changed on the host, or null.</param>
/// <param name="UnreadableHost">Why host.json cannot be read, or null.</param>
public sealed record StoreContent(
    IReadOnlyList<Attachment> Attachments,
    IReadOnlyList<UnreadableRecord> Unreadable,
    HostRecord? Host,
    UnreadableRecord? UnreadableHost)
{
    /// <summary>The networks that are known; null where nobody asked.</summary>
    public IReadOnlyList<NetworkRecord>? Networks { get; init; }
}
