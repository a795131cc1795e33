using System.Text.Json.Serialization;
using CniIsolator.Linux;

namespace CniIsolator.Ipam;

/// <summary>A container's network namespace.</summary>
/// <param name="Path">Its path as the runtime gave it.</param>
/// <param name="Device">Its st_dev.</param>
/// <param name="Inode">Its st_ino; only together with the boot id does it identify a namespace.</param>
public sealed record NamespaceReference(string Path, ulong Device, ulong Inode)
{
    /// <summary>What to compare an opened namespace with.</summary>
    [JsonIgnore]
    public NamespaceIdentity Identity => new(Device, Inode);
}
