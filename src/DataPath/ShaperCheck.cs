using CniIsolator.Ipam;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.DataPath;

/// <summary>Compares a device's limit with the kernel's.</summary>
public static class ShaperCheck
{
    // The kernel keeps codel's times in units of 1.024 us.
    private const long Rounding = 2;

    /// <param name="differences">Where to note what differs.</param>
    /// <param name="connection">A connection into the device's namespace.</param>
    /// <param name="qdiscs">The qdiscs there.</param>
    /// <param name="index">The device.</param>
    /// <param name="device">How to call it.</param>
    /// <param name="limit">The limit that it should have.</param>
    /// <param name="attachment">Whose it is.</param>
    public static void Compare(
        DifferenceList differences,
        NetlinkConnection connection,
        IReadOnlyList<Qdisc> qdiscs,
        int index,
        string device,
        RateLimit limit,
        Attachment attachment)
    {
        var root = qdiscs.FirstOrDefault(q => q.Index == index && q.Parent == TcHandle.Root);
        if (root is not { Handle: Shaper.Qdisc, Htb: { } settings })
        {
            differences.Add($"limit of {device}", $"htb with {limit.Rate} B/s", root is null || root.IsDefault ? "none" : $"a qdisc {root.Kind} {TcHandle.Format(root.Handle)}");
            return;
        }

        differences.Compare($"qdisc of {device}", Shaper.Settings, settings);
        var wanted = Shaper.ClassOf(limit, attachment.Host.Mtu);
        var classes = Htb.ListClasses(connection, index);
        differences.Compare($"limit of {device}", wanted, classes.Find(c => c.Handle == Shaper.Class));
        foreach (var other in classes.Where(c => c.Handle != Shaper.Class))
        {
            differences.Add($"classes of {device}", "none but 1:1", other.ToString());
        }

        foreach (var (kind, priority, _) in U32Filters.ListPriorities(connection, index, Shaper.Qdisc))
        {
            differences.Add($"filters of the limit of {device}", "none", $"{kind} at priority {priority}");
        }

        CompareQueue(differences, qdiscs.FirstOrDefault(q => q.Index == index && q.Parent == Shaper.Class), device, limit, attachment);
    }

    private static void CompareQueue(DifferenceList differences, Qdisc? leaf, string device, RateLimit limit, Attachment attachment)
    {
        if (attachment.Features.PlainQueue)
        {
            // The kernel does not show the queue that htb brings.
            if (leaf is { FqCodel: null })
            {
                differences.Add($"queue of {device}", "htb's own", leaf.Kind);
            }

            return;
        }

        var wanted = Shaper.LeafOf(limit, attachment.Host.Mtu);
        if (leaf?.FqCodel is not { } found)
        {
            differences.Add($"queue of {device}", "fq_codel", leaf is null ? "htb's own" : leaf.Kind);
        }
        else if (IsOff(wanted.TargetMicroseconds, found.TargetMicroseconds) || IsOff(wanted.IntervalMicroseconds, found.IntervalMicroseconds))
        {
            differences.Add(
                $"queue of {device}",
                $"target {wanted.TargetMicroseconds} us, interval {wanted.IntervalMicroseconds} us",
                $"target {found.TargetMicroseconds} us, interval {found.IntervalMicroseconds} us");
        }
    }

    private static bool IsOff(uint? wanted, uint? found) => found is null || Math.Abs((long)wanted! - (long)found) > Rounding;
}
