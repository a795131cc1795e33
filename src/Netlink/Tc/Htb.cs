using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.Tc;

/// <summary>An htb qdisc's settings.</summary>
/// <param name="DefaultClass">Minor number of the class that takes what no filter classifies.</param>
/// <param name="DirectQueueLength">
/// Packets that may wait unshaped. 0 drops them: a process may ask for the unshaped queue with SO_PRIORITY, and would
/// pass by every limit.
/// </param>
public sealed record HtbSettings(uint DefaultClass, uint DirectQueueLength)
{
    public override string ToString() => string.Create(
        System.Globalization.CultureInfo.InvariantCulture, $"htb default {DefaultClass:x} direct_qlen {DirectQueueLength}");
}

/// <summary>An htb class: what it may send, in the long run and at once.</summary>
/// <param name="Handle">Of the class, qdisc:minor.</param>
/// <param name="Parent">The qdisc or class above.</param>
/// <param name="Rate">Bytes per second, more than 0.</param>
/// <param name="Ceil">Bytes per second at which <paramref name="Buffer"/> may leave; at least the rate.</param>
/// <param name="Buffer">What may be saved up at the rate while nothing is sent, in scheduler ticks.</param>
/// <param name="CeilBuffer">What may be saved up at the ceil, in scheduler ticks: a buffer's worth leaves at line speed.</param>
/// <param name="Quantum">
/// Bytes sent before another class's turn. Named always: one that the kernel computes from the rate makes it warn.
/// </param>
public sealed record HtbClass(uint Handle, uint Parent, ulong Rate, ulong Ceil, uint Buffer, uint CeilBuffer, uint Quantum)
{
    /// <summary>Kernel's unit of scheduler time: 2^6 ns. Source: PSCHED_SHIFT of net/pkt_sched.h, told in /proc/net/psched.</summary>
    private const int NanosecondsPerTick = 64;

    /// <summary>The time that so many bytes take at a rate, in scheduler ticks; the largest one where it takes longer.</summary>
    public static uint TicksFor(ulong bytes, ulong bytesPerSecond) =>
        (uint)UInt128.Min(uint.MaxValue, (UInt128)bytes * 1_000_000_000 / NanosecondsPerTick / UInt128.Max(1, bytesPerSecond));

    /// <summary>The bytes that such a time brings at a rate, rounded up.</summary>
    public static ulong BytesFor(uint ticks, ulong bytesPerSecond) =>
        (ulong)UInt128.Min(ulong.MaxValue, (((UInt128)ticks * NanosecondsPerTick * bytesPerSecond) + 999_999_999) / 1_000_000_000);

    public override string ToString() => string.Create(
        System.Globalization.CultureInfo.InvariantCulture,
        $"class {TcHandle.Format(Handle)} rate {Rate} B/s ceil {Ceil} B/s buffer {Buffer} cbuffer {CeilBuffer} ticks");
}

/// <summary>Operations on the hierarchical token bucket.</summary>
public static class Htb
{
    private const uint Version = 3; // TC_HTB_PROTOVER

    // Divides a rate to get a quantum. Never used, as every class names its own, but it may not be 0.
    private const uint RateToQuantum = 10;

    /// <summary>
    /// Equivalent to: <c>tc qdisc add dev INDEX root handle HANDLE htb default CLASS r2q 10 direct_qlen LENGTH</c>.
    /// </summary>
    public static void AddQdisc(
        NetlinkBatch batch, int index, uint handle, HtbSettings settings, string operation, params ReadOnlySpan<Errno> tolerated)
    {
        using var message = batch.Message(
            (ushort)RouteMessage.NewQdisc, MessageFlags.Create | MessageFlags.Exclusive, operation, tolerated);
        message.Structure(new TcHeader { Index = index, Handle = handle, Parent = TcHandle.Root });
        message.Attribute(TcAttribute.Kind, "htb");
        using var options = message.Nested(TcAttribute.Options);
        message.Attribute(
            HtbAttribute.Qdisc,
            new HtbQdiscParameters { Version = Version, RateToQuantum = RateToQuantum, DefaultClass = settings.DefaultClass });
        message.Attribute(HtbAttribute.DirectQueueLength, settings.DirectQueueLength);
    }

    /// <summary>
    /// Equivalent to: <c>tc class add dev INDEX parent PARENT classid HANDLE htb rate RATE ceil CEIL burst … cburst … quantum QUANTUM</c>.
    /// </summary>
    public static void AddClass(NetlinkBatch batch, int index, HtbClass wanted, string operation) =>
        WriteClass(batch, index, wanted, MessageFlags.Create | MessageFlags.Exclusive, operation);

    /// <summary>
    /// Makes a class, or changes rates and bursts of one that is there; what is queued stays.
    /// Equivalent to: <c>tc class replace dev INDEX parent PARENT classid HANDLE htb …</c>.
    /// </summary>
    public static void SetClass(NetlinkBatch batch, int index, HtbClass wanted, string operation) =>
        WriteClass(batch, index, wanted, MessageFlags.Create, operation);

    /// <summary>Equivalent to: <c>tc class show dev INDEX</c>, those of htb; a device that is gone has none.</summary>
    public static List<HtbClass> ListClasses(NetlinkConnection connection, int index)
    {
        var classes = new List<HtbClass>();
        TcObject.Dump(
            connection,
            RouteMessage.GetClass,
            index,
            "list classes",
            found =>
            {
                if (found.Kind == "htb")
                {
                    classes.Add(ParseClass(found.Header, found.Options));
                }
            },
            classes.Clear);
        return classes;
    }

    internal static HtbSettings ParseQdisc(AttributeReader options)
    {
        var (defaultClass, directQueueLength) = (0u, 0u);
        foreach (var attribute in options)
        {
            switch ((HtbAttribute)attribute.Type)
            {
                case HtbAttribute.Qdisc:
                    defaultClass = attribute.As<HtbQdiscParameters>().DefaultClass;
                    break;
                case HtbAttribute.DirectQueueLength:
                    directQueueLength = attribute.As<uint>();
                    break;
            }
        }

        return new HtbSettings(defaultClass, directQueueLength);
    }

    /// <summary>
    /// The qdisc or class above a class: one right below the qdisc is shown below "root", whatever it was made with (htb_dump_class).
    /// </summary>
    internal static uint ParentOf(TcHeader header) => header.Parent == TcHandle.Root ? header.Handle & 0xffff0000 : header.Parent;

    private static void WriteClass(NetlinkBatch batch, int index, HtbClass wanted, MessageFlags flags, string operation)
    {
        using var message = batch.Message((ushort)RouteMessage.NewClass, flags, operation);
        message.Structure(new TcHeader { Index = index, Handle = wanted.Handle, Parent = wanted.Parent });
        message.Attribute(TcAttribute.Kind, "htb");
        using var options = message.Nested(TcAttribute.Options);

        // The narrow rates are limits of the wide ones' absence: the kernel takes the larger of the two.
        message.Attribute(HtbAttribute.Rate, wanted.Rate);
        message.Attribute(HtbAttribute.Ceil, wanted.Ceil);
        message.Attribute(
            HtbAttribute.Class,
            new HtbClassParameters
            {
                Rate = Specify(wanted.Rate),
                Ceil = Specify(wanted.Ceil),
                Buffer = wanted.Buffer,
                CeilBuffer = wanted.CeilBuffer,
                Quantum = wanted.Quantum,
            });
    }

    private static RateSpecification Specify(ulong rate) =>
        new() { LinkLayer = LinkLayer.Ethernet, Rate = (uint)Math.Min(rate, uint.MaxValue) };

    private static HtbClass ParseClass(TcHeader header, ReadOnlySpan<byte> options)
    {
        var parameters = default(HtbClassParameters);
        ulong? rate = null;
        ulong? ceil = null;
        foreach (var attribute in new AttributeReader(options))
        {
            switch ((HtbAttribute)attribute.Type)
            {
                case HtbAttribute.Class:
                    parameters = attribute.As<HtbClassParameters>();
                    break;
                case HtbAttribute.Rate:
                    rate = attribute.As<ulong>();
                    break;
                case HtbAttribute.Ceil:
                    ceil = attribute.As<ulong>();
                    break;
            }
        }

        return new HtbClass(
            header.Handle,
            ParentOf(header),
            rate ?? parameters.Rate.Rate,
            ceil ?? parameters.Ceil.Rate,
            parameters.Buffer,
            parameters.CeilBuffer,
            parameters.Quantum);
    }
}
