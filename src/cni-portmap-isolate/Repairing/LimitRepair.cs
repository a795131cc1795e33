using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.Attaching;

namespace CniIsolator.Plugin.Repairing;

/// <summary>Puts a device's limit back.</summary>
internal static class LimitRepair
{
    /// <param name="connection">A connection into the device's namespace.</param>
    /// <param name="index">The device.</param>
    /// <param name="device">How to call it.</param>
    /// <param name="wanted">The limit that it should have; null for none.</param>
    /// <param name="interrupted">One that an update was about to set when it died.</param>
    /// <param name="attachment">Whose it is.</param>
    /// <returns>Whether packets wait in a plain queue, as the kernel has no fq_codel.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public static bool Mend(NetlinkConnection connection, int index, string device, RateLimit? wanted, RateLimit? interrupted, Attachment attachment)
    {
        if (wanted is null)
        {
            return interrupted is not null && LimitChange.Apply(connection, index, device, null, interrupted, attachment.Host.Mtu);
        }

        if (!Differs(connection, index, device, wanted, attachment))
        {
            return attachment.Features.PlainQueue;
        }

        var plainQueue = LimitChange.Apply(connection, index, device, wanted, wanted, attachment.Host.Mtu);
        if (!Differs(connection, index, device, wanted, attachment with { Features = attachment.Features with { PlainQueue = plainQueue } }))
        {
            return plainQueue;
        }

        // Somebody has put classes or filters into ours: they go with it.
        var removal = new NetlinkBatch(256);
        Qdiscs.Delete(removal, index, TcHandle.Root, Shaper.Qdisc, $"remove htb from {device}");
        connection.ExecuteOrThrow(removal);
        return LimitChange.Apply(connection, index, device, wanted, wanted, attachment.Host.Mtu);
    }

    private static bool Differs(NetlinkConnection connection, int index, string device, RateLimit wanted, Attachment attachment)
    {
        var differences = new DifferenceList();
        ShaperCheck.Compare(differences, connection, Qdiscs.List(connection, index), index, device, wanted, attachment);
        return differences.Count > 0;
    }
}
