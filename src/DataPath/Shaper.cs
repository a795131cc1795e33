using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.DataPath;

/// <summary>
/// Limits what leaves a device: htb with one class, and behind it an fq_codel, where packets wait, so that one flow's queue is no
/// other flow's delay. On the container's interface it limits what the container sends, on the host's end what it receives.
/// <code>
/// htb 1: ── class 1:1, rate and ceil ── fq_codel 2:
/// </code>
/// </summary>
public static class Shaper
{
    public const uint Qdisc = 0x0001_0000;
    public const uint Class = Qdisc | Minor;
    public const uint Leaf = 0x0002_0000;

    /// <summary>A burst that nobody chose is what the rate sends in this time.</summary>
    public const ulong DefaultBurstMilliseconds = 10;

    /// <summary>A burst that nobody chose holds at least so many frames.</summary>
    public const ulong DefaultBurstFrames = 2;

    private const uint Minor = 1;
    private const int EthernetHeader = 14; // ETH_HLEN

    // Codel's own choices, for packets that take much less than the target to send.
    private const uint Target = 5_000;
    private const uint Interval = 100_000;
    private const uint LongestTarget = 1_000_000;

    /// <summary>
    /// No packet that comes here may pass by the class: a process chooses the unshaped queue with SO_PRIORITY 1:0, which needs no
    /// more than CAP_NET_RAW. Nor does a packet socket with PACKET_QDISC_BYPASS need more, whose packets come to no qdisc at all: on
    /// the container's interface, a limit binds such a process only if it does not use that.
    /// </summary>
    public static readonly HtbSettings Settings = new(Minor, DirectQueueLength: 0);

    /// <summary>
    /// Bytes that may leave at once where nobody says. A timer that is late by less than they take at the rate loses nothing.
    /// </summary>
    /// <param name="rate">Bytes per second.</param>
    /// <param name="frameSize">Bytes of the largest Ethernet frame, header included.</param>
    public static ulong ChooseBurst(ulong rate, ulong frameSize) =>
        Math.Max((ulong)((UInt128)rate * DefaultBurstMilliseconds / 1000), DefaultBurstFrames * frameSize);

    /// <param name="limit">The limit.</param>
    /// <param name="mtu">The device's, bytes.</param>
    public static HtbClass ClassOf(RateLimit limit, int mtu)
    {
        var (rate, ceil, burst) = ((ulong)limit.Rate, (ulong)limit.Ceil, (ulong)limit.Burst);

        // With a ceil of its own, bursts leave at that speed, and at line speed only what keeps it exact; without one, at line speed.
        var atOnce = ceil > rate ? Math.Min(burst, ChooseBurst(ceil, (ulong)FrameSize(mtu))) : burst;
        return new HtbClass(Class, Qdisc, rate, ceil, HtbClass.TicksFor(burst, rate), HtbClass.TicksFor(atOnce, ceil), (uint)FrameSize(mtu));
    }

    /// <summary>
    /// At low rates one packet takes longer than codel's target, and it would drop what is no queue at all: the target is then
    /// the time of one and a half packets.
    /// </summary>
    public static FqCodelSettings LeafOf(RateLimit limit, int mtu)
    {
        var target = (uint)Math.Clamp(FrameSize(mtu) * 1_500_000L / Math.Max(1, limit.Rate), Target, LongestTarget);
        return new FqCodelSettings(target, Interval + target - Target);
    }

    /// <summary>Bytes of the longest packet as the scheduler counts it.</summary>
    public static int FrameSize(int mtu) => mtu + EthernetHeader;

    /// <summary>Puts a limit on a device that has none. The leaf is the last message of the three.</summary>
    /// <returns>The leaf's position in the batch: a kernel without fq_codel refuses it, see <see cref="WithoutLeaf"/>.</returns>
    public static int Add(NetlinkBatch batch, int index, RateLimit limit, int mtu, string device)
    {
        Htb.AddQdisc(batch, index, Qdisc, Settings, $"add htb to {device}");
        Htb.AddClass(batch, index, ClassOf(limit, mtu), $"add the htb class to {device}");
        FqCodel.Add(batch, index, Class, Leaf, LeafOf(limit, mtu), $"add fq_codel to {device}");
        return batch.Count - 1;
    }

    /// <summary>
    /// Puts a limit on a device, or changes the one that it has: what waits behind it stays. Another qdisc in its place is an error.
    /// </summary>
    /// <returns>As <see cref="Add"/>.</returns>
    public static int Set(NetlinkBatch batch, int index, RateLimit limit, int mtu, string device)
    {
        Htb.AddQdisc(batch, index, Qdisc, Settings, $"add htb to {device}", Errno.Exists);
        Htb.SetClass(batch, index, ClassOf(limit, mtu), $"set the htb class of {device}");
        FqCodel.Set(batch, index, Class, Leaf, LeafOf(limit, mtu), $"set fq_codel of {device}");
        return batch.Count - 1;
    }

    /// <summary>The failures that count: a leaf whose kind the kernel does not know does not, as htb brings a plain queue.</summary>
    public static IReadOnlyList<NetlinkFailure> WithoutLeaf(IReadOnlyList<NetlinkFailure> failures, int leaf, out bool plainQueue)
    {
        List<NetlinkFailure> others = [.. failures.Where(f => f.Index != leaf || f.Errno != Errno.NoEntry)];
        plainQueue = others.Count < failures.Count;
        return others;
    }

    /// <summary>The limit that a device has, to rebuild a record from the kernel; null if it has none of ours.</summary>
    public static RateLimit? ReadLimit(IEnumerable<HtbClass> classes) =>
        classes.FirstOrDefault(c => c.Handle == Class) is { } found
            ? new RateLimit(Narrow(found.Rate), Narrow(found.Ceil), Narrow(HtbClass.BytesFor(found.Buffer, found.Rate)))
            : null;

    /// <summary>Takes the limit off; its absence is success, and so is another qdisc in its place.</summary>
    public static void Remove(NetlinkBatch batch, int index, string device) =>
        Qdiscs.Delete(batch, index, TcHandle.Root, Qdisc, $"remove htb from {device}");

    private static long Narrow(ulong value) => (long)Math.Min(value, long.MaxValue);
}
