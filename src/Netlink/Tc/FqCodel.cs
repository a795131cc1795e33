using System.Globalization;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.Tc;

/// <summary>
/// Settings of fq_codel that are not the kernel's own; null leaves it the choice. Times read back up to 2 us shorter than they were
/// written, 5000 as 4999: the kernel keeps them in units of 1024 ns (CODEL_SHIFT of net/codel.h).
/// </summary>
/// <param name="TargetMicroseconds">Delay that a queue may keep standing; the kernel's is 5 ms.</param>
/// <param name="IntervalMicroseconds">How long it may stand before packets are dropped or marked; the kernel's is 100 ms.</param>
/// <param name="Flows">Queues; the kernel's are 1024.</param>
public sealed record FqCodelSettings(uint? TargetMicroseconds = null, uint? IntervalMicroseconds = null, uint? Flows = null)
{
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"fq_codel target {TargetMicroseconds} us interval {IntervalMicroseconds} us flows {Flows}");
}

/// <summary>Operations on the fair queue with controlled delay.</summary>
public static class FqCodel
{
    /// <summary>
    /// Equivalent to: <c>tc qdisc add dev INDEX parent PARENT|root handle HANDLE fq_codel [target …us] [interval …us] [flows …]</c>.
    /// The kernel never lets it replace a qdisc with another handle than 0, which only its own default ones have: EEXIST.
    /// </summary>
    public static void Add(NetlinkBatch batch, int index, uint parent, uint handle, FqCodelSettings settings, string operation) =>
        Write(batch, index, parent, handle, settings, MessageFlags.Create | MessageFlags.Exclusive, operation);

    /// <summary>
    /// Makes it, or changes target and interval of one that is there; what is queued stays, and its number of queues, which must
    /// not be named then. A qdisc of another kind or handle is replaced.
    /// Equivalent to: <c>tc qdisc replace dev INDEX parent PARENT handle HANDLE fq_codel [target …us] [interval …us]</c>.
    /// </summary>
    public static void Set(NetlinkBatch batch, int index, uint parent, uint handle, FqCodelSettings settings, string operation) =>
        Write(batch, index, parent, handle, settings, MessageFlags.Create | MessageFlags.Replace, operation);

    private static void Write(
        NetlinkBatch batch, int index, uint parent, uint handle, FqCodelSettings settings, MessageFlags flags, string operation)
    {
        using var message = batch.Message((ushort)RouteMessage.NewQdisc, flags, operation);
        message.Structure(new TcHeader { Index = index, Handle = handle, Parent = parent });
        message.Attribute(TcAttribute.Kind, "fq_codel");
        using var options = message.Nested(TcAttribute.Options);
        if (settings.TargetMicroseconds is { } target)
        {
            message.Attribute(FqCodelAttribute.Target, target);
        }

        if (settings.IntervalMicroseconds is { } interval)
        {
            message.Attribute(FqCodelAttribute.Interval, interval);
        }

        if (settings.Flows is { } flows)
        {
            message.Attribute(FqCodelAttribute.Flows, flows);
        }
    }

    internal static FqCodelSettings Parse(AttributeReader options)
    {
        var settings = new FqCodelSettings();
        foreach (var attribute in options)
        {
            switch ((FqCodelAttribute)attribute.Type)
            {
                case FqCodelAttribute.Target:
                    settings = settings with { TargetMicroseconds = attribute.As<uint>() };
                    break;
                case FqCodelAttribute.Interval:
                    settings = settings with { IntervalMicroseconds = attribute.As<uint>() };
                    break;
                case FqCodelAttribute.Flows:
                    settings = settings with { Flows = attribute.As<uint>() };
                    break;
            }
        }

        return settings;
    }
}
