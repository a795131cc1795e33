using CniIsolator.Ipam;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.DataPath;

namespace CniIsolator.Plugin.Attaching;

/// <summary>Gives a device that is in use another limit.</summary>
internal static class LimitChange
{
    /// <param name="connection">A connection into the device's namespace.</param>
    /// <param name="index">The device.</param>
    /// <param name="device">How to call it.</param>
    /// <param name="wanted">The limit that it is to have; null for none.</param>
    /// <param name="previous">The limit that it should have had so far.</param>
    /// <param name="mtu">The device's, bytes.</param>
    /// <returns>Whether packets wait in a plain queue, as the kernel has no fq_codel.</returns>
    /// <exception cref="NetlinkException">The kernel refused, for instance as another qdisc of somebody else's is there.</exception>
    public static bool Apply(NetlinkConnection connection, int index, string device, RateLimit? wanted, RateLimit? previous, int mtu)
    {
        if (wanted is null)
        {
            var removal = new NetlinkBatch(256);
            Shaper.Remove(removal, index, device);
            connection.ExecuteOrThrow(removal);
            return false;
        }

        var failures = Set(connection, index, device, wanted, mtu, out var plainQueue);
        if (failures.Count > 0 && previous is not null && Qdiscs.Find(connection, index, TcHandle.Root) is { IsDefault: false } stranger)
        {
            // Where a limit of ours should be, the container's root has put something else.
            var removal = new NetlinkBatch(256);
            Qdiscs.Delete(removal, index, TcHandle.Root, stranger.Handle, $"remove {stranger.Kind} from {device}");
            connection.ExecuteOrThrow(removal);
            failures = Set(connection, index, device, wanted, mtu, out plainQueue);
        }

        return failures.Count == 0 ? plainQueue : throw failures[0].ToException();
    }

    private static IReadOnlyList<NetlinkFailure> Set(
        NetlinkConnection connection, int index, string device, RateLimit wanted, int mtu, out bool plainQueue)
    {
        var batch = new NetlinkBatch(1024);
        var leaf = Shaper.Set(batch, index, wanted, mtu, device);
        return Shaper.WithoutLeaf(connection.Execute(batch), leaf, out plainQueue);
    }
}
