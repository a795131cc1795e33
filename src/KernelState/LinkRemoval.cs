using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.KernelState;

/// <summary>
/// Removes host ends of veths. The kernel waits some 16 ms for its grace periods with each removal, and as long for a whole group of links.
/// </summary>
public static class LinkRemoval
{
    /// <summary>The group of links that are about to be removed. It is far from the small numbers that people choose.</summary>
    public const uint DoomedGroup = 0x706d_6721;

    // Up to here the messages that make a group, and look at it, are not worth it.
    private const int Few = 3;

    /// <summary>Removes the link of a name, whatever its index; its absence is success.</summary>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public static void RemoveByName(NetlinkConnection host, string name)
    {
        if (Links.Find(host, name) is { } link)
        {
            var batch = new NetlinkBatch(256);
            Links.Delete(batch, link.Index, $"remove {name}");
            host.ExecuteOrThrow(batch);
        }
    }

    /// <summary>Removes links; one that has gone meanwhile is passed over.</summary>
    /// <param name="host">A connection into their namespace.</param>
    /// <param name="doomed">As they were just found: nobody may be using them any more.</param>
    /// <returns>Why links are still there, by index.</returns>
    /// <exception cref="NetlinkException">Links cannot be listed.</exception>
    public static Dictionary<int, IOException> Remove(NetlinkConnection host, IReadOnlyList<Link> doomed)
    {
        var left = doomed.Count > Few && TryRemoveTogether(host, doomed) ? StillThere(host, doomed) : doomed;
        var faults = new Dictionary<int, IOException>();
        foreach (var link in left)
        {
            try
            {
                RemoveByName(host, link.Name);
            }
            catch (IOException e)
            {
                faults[link.Index] = e;
            }
        }

        return faults;
    }

    /// <summary>
    /// Marks them, and removes whatever is marked. A link that was marked before - by a process that was killed, or by one that does the same
    /// just now - may be somebody's by now, as a record can be rebuilt: then each goes by itself, and the other one stays.
    /// </summary>
    private static bool TryRemoveTogether(NetlinkConnection host, IReadOnlyList<Link> doomed)
    {
        var marks = new NetlinkBatch();
        foreach (var link in doomed)
        {
            Links.SetGroup(marks, link.Index, DoomedGroup, $"mark {link.Name} for removal");
        }

        if (host.Execute(marks).Count > 0)
        {
            return false;
        }

        // After the marking, as nobody else marks a link that is not doomed.
        var ours = ByIndex(doomed);
        if (Links.List(host).Exists(l => l.Group == DoomedGroup && !IsAmong(ours, l)))
        {
            return false;
        }

        var removal = new NetlinkBatch(256);
        Links.DeleteGroup(removal, DoomedGroup, $"remove {doomed.Count} interfaces");
        return host.Execute(removal).Count == 0;
    }

    private static List<Link> StillThere(NetlinkConnection host, IReadOnlyList<Link> doomed)
    {
        var present = ByIndex(Links.List(host));
        return [.. doomed.Where(l => IsAmong(present, l))];
    }

    private static Dictionary<int, Link> ByIndex(IReadOnlyList<Link> links)
    {
        var found = new Dictionary<int, Link>(links.Count);
        foreach (var link in links)
        {
            found[link.Index] = link;
        }

        return found;
    }

    // An index may have been given to another link.
    private static bool IsAmong(Dictionary<int, Link> links, Link link) => links.TryGetValue(link.Index, out var found) && found.Name == link.Name;
}
