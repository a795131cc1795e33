using System.Globalization;
using CniIsolator.Linux;

namespace CniIsolator.Ipam;

/// <summary>
/// The directories on the way to the store. Whoever may rename an entry of one of them can put another directory in the store's place, and with
/// it ports that are in use are free again.
/// </summary>
internal static class TrustedParents
{
    // As many as the kernel follows in one path (MAXSYMLINKS).
    private const int MostLinks = 40;

    /// <summary>Looks at every parent of a path, as far as there is one, and at what symbolic links among them lead to.</summary>
    /// <param name="path">Absolute, without "." and "..".</param>
    /// <param name="owners">Who may own them, besides root and the owner of "/": in a user namespace that is not root.</param>
    /// <exception cref="StoreException">Somebody else could exchange one.</exception>
    internal static void Check(string path, params ReadOnlySpan<uint> owners)
    {
        var top = FileFacts.Read("/")?.Owner ?? 0;
        Check(path, path, [0, top, .. owners], MostLinks);
    }

    private static void Check(string store, string path, ReadOnlySpan<uint> owners, int links)
    {
        for (var parent = Path.GetDirectoryName(path); parent is not null; parent = Path.GetDirectoryName(parent))
        {
            if (FileFacts.Read(parent) is not { } found)
            {
                continue; // Made together with the store.
            }

            if (!owners.Contains(found.Owner))
            {
                throw new StoreException(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{parent} belongs to user {found.Owner}, who could put another directory in the place of {store}; choose a stateDir below directories of root"));
            }

            if (found.IsSymbolicLink)
            {
                if (links == 0)
                {
                    throw new StoreException($"too many symbolic links on the way to {store}");
                }

                if (File.ResolveLinkTarget(parent, returnFinalTarget: false) is { } target)
                {
                    // An entry of what it leads to, so that this is looked at as well.
                    Check(store, Path.Combine(Path.GetFullPath(target.FullName), "entry"), owners, links - 1);
                }
            }
            else if (found.IsOpenToAll)
            {
                throw new StoreException(
                    $"{parent} is writable by everybody, so that anybody could put another directory in the place of {store}; choose a stateDir below directories of root");
            }
        }
    }
}
