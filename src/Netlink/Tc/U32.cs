using System.Globalization;

namespace CniIsolator.Netlink.Tc;

/// <summary>
/// Handle of a u32 hash table or node, table:bucket:node as tc writes it.
/// Source: TC_U32_HTID, TC_U32_HASH, TC_U32_NODE of linux/pkt_cls.h.
/// </summary>
public readonly record struct U32Handle(uint Value)
{
    public const int MaximumNode = 0xfff;

    // The kernel numbers the root table of each priority itself, from here on.
    private const int FirstRootTable = 0x800;

    public U32Handle(int table, int bucket, int node)
        : this(((uint)table << 20) | ((uint)bucket << 12) | (uint)node)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)table, 0xfffu, nameof(table));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)bucket, 0xffu, nameof(bucket));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)node, (uint)MaximumNode, nameof(node));
    }

    public int Table => (int)(Value >> 20);

    public int Bucket => (int)((Value >> 12) & 0xff);

    public int Node => (int)(Value & 0xfff);

    /// <summary>The handle as we ask for it: table 0 stands for the root table, whose number only the kernel knows.</summary>
    public U32Handle AsRequested => Table >= FirstRootTable ? new U32Handle(0, 0, Node) : this;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Table:x}:{Bucket:x}:{Node:x}");
}

/// <summary>One comparison of a u32 node.</summary>
/// <param name="Value">Expected bits, as a number in host order.</param>
/// <param name="Mask">Bits that are compared.</param>
/// <param name="At">Byte offset, a multiple of four; negative reaches into the Ethernet header.</param>
/// <param name="AtNextHeader">Whether the offset counts from where a link without "eat" pointed, tc's "nexthdr".</param>
public readonly record struct U32Key(uint Value, uint Mask, int At, bool AtNextHeader = false)
{
    public static readonly U32Key Any = new(0, 0, 0);

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Value & Mask:x8}/{Mask:x8} at {(AtNextHeader ? "nexthdr+" : "")}{At}");
}

/// <summary>Where a linked table goes on reading: a fixed number of bytes on, plus a length read from the packet.</summary>
/// <param name="Fixed">Bytes added always.</param>
/// <param name="Mask">Bits of the 16-bit word at <paramref name="At"/> that hold the length; 0 for none.</param>
/// <param name="Shift">How far to shift the masked word right to get bytes.</param>
/// <param name="At">Byte offset of the word.</param>
/// <param name="Eat">Whether all later offsets count from there; else only "nexthdr" ones do.</param>
public sealed record U32Offset(ushort Fixed, ushort Mask, byte Shift, short At, bool Eat)
{
    /// <summary>Behind the IPv4 header at the current position: the low four bits of the first byte count words.</summary>
    public static readonly U32Offset BehindIPv4 = new(0, 0x0f00, 6, 0, Eat: true);

    /// <summary>The same, but only for "nexthdr" offsets.</summary>
    public static readonly U32Offset NextHeaderBehindIPv4 = BehindIPv4 with { Eat = false };
}

/// <summary>Goes on in another table.</summary>
/// <param name="Table">Its number.</param>
/// <param name="HashMask">Which bits of the word at <paramref name="HashAt"/> choose the bucket; 0 for tables of one bucket.</param>
/// <param name="HashAt">
/// Byte offset of that word. The kernel reads it <em>before</em> it applies <paramref name="Offset"/>,
/// hence hashing behind a header of variable length takes a table of one bucket in between.
/// </param>
/// <param name="Offset">Where that table reads, or null for here.</param>
public sealed record U32Link(int Table, uint HashMask = 0, short HashAt = 0, U32Offset? Offset = null)
{
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"link {Table:x}: hash {HashMask:x8} at {HashAt}{(Offset is null ? "" : $" offset {Offset.Fixed}+({Offset.Mask:x4}>>{Offset.Shift} at {Offset.At}){(Offset.Eat ? " eat" : "")}")}");
}

/// <summary>A mirred action: the packet, or a copy of it, leaves by another device.</summary>
public sealed record Mirred(MirredAction Action, Verdict Verdict, int Target)
{
    public static Mirred Redirect(int target) => new(MirredAction.EgressRedirect, Verdict.Stolen, target);

    public static Mirred Mirror(int target, Verdict verdict) => new(MirredAction.EgressMirror, verdict, target);

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{(Action == MirredAction.EgressRedirect ? "redirect" : "mirror")} to ifindex {Target} {Verdict.ToString().ToLowerInvariant()}");
}

/// <summary>Where a filter hangs: device, hook, priority, protocol.</summary>
public readonly record struct FilterAttachment(int Index, uint Parent, ushort Priority, EthernetProtocol Protocol);

/// <summary>A u32 hash table or node.</summary>
public abstract record U32Filter(FilterAttachment At, U32Handle Handle);

/// <summary>A hash table.</summary>
/// <param name="At">Where it hangs.</param>
/// <param name="Handle">Its number; bucket and node are 0.</param>
/// <param name="Divisor">Buckets: a power of two up to 256.</param>
public sealed record U32Table(FilterAttachment At, U32Handle Handle, int Divisor) : U32Filter(At, Handle)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"table {Handle.Table:x}: divisor {Divisor}");
}

/// <summary>A node: keys that must all match, and then a link, an action, a class, or plain acceptance.</summary>
public sealed record U32Node(FilterAttachment At, U32Handle Handle, IReadOnlyList<U32Key> Keys) : U32Filter(At, Handle)
{
    public U32Link? Link { get; init; }

    public Mirred? Action { get; init; }

    /// <summary>The class, or the queue of an fq_codel, that the packet goes to.</summary>
    public uint? Class { get; init; }

    /// <summary>What it does, apart from where it hangs: equal text means equal effect.</summary>
    public override string ToString() =>
        $"{Handle.AsRequested} match {string.Join(" and ", Keys)} {Link?.ToString() ?? Action?.ToString() ?? (Class is { } id ? $"class {TcHandle.Format(id)}" : "accept")}";
}

/// <summary>What a node's action counted.</summary>
/// <param name="Handle">Of the node; a root table has the number that the kernel gave it.</param>
/// <param name="Counters">
/// What was counted since the node was made or changed. Packets that a redirect could not pass on are in both
/// <see cref="QueueStatistics.Packets"/> and <see cref="QueueStatistics.Overlimits"/>.
/// </param>
public readonly record struct U32Statistic(U32Handle Handle, QueueStatistics Counters);
