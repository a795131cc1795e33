using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Tc;

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
        // A handle tells nothing: everybody calls the root qdisc 1:, and a tbf takes a queue at 1:1 as well.
        var root = Qdiscs.Find(connection, index, TcHandle.Root);
        var ours = root is { Handle: Shaper.Qdisc, Htb: { } settings } && settings == Shaper.Settings;
        if (wanted is null)
        {
            var removal = new NetlinkBatch(256);
            if (ours)
            {
                Shaper.Remove(removal, index, device);
                connection.ExecuteOrThrow(removal);
            }

            return false;
        }

        if (!ours && root is { IsDefault: false } stranger)
        {
            var operation = $"replace {stranger.Kind} {TcHandle.Format(stranger.Handle)} of {device}";
            if (previous is null)
            {
                throw new NetlinkException(operation, Errno.Exists, "it is somebody else's");
            }

            // Where a limit of ours should be, the container's root has put something else.
            var removal = new NetlinkBatch(256);
            Qdiscs.Delete(removal, index, TcHandle.Root, stranger.Handle, operation);
            connection.ExecuteOrThrow(removal);
        }

        var batch = new NetlinkBatch(1024);
        var leaf = Shaper.Set(batch, index, wanted, mtu, device);
        var failures = Shaper.WithoutLeaf(connection.Execute(batch), leaf, out var plainQueue);
        return failures.Count == 0 ? plainQueue : throw failures[0].ToException();
    }
}
