using System.Globalization;

namespace CniIsolator.Linux;

/// <summary>
/// What tells one network namespace from another while either lives: the device and inode of its nsfs file.
/// Inodes are reused after a namespace is gone, and start over at boot: compare together with the boot id.
/// </summary>
public readonly record struct NamespaceIdentity(ulong Device, ulong Inode)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Device}:{Inode}");
}
