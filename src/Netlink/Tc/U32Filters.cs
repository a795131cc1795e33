using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;
using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.Tc;

/// <summary>Operations on u32 filters.</summary>
public static class U32Filters
{
    private const uint AcceptClass = 0xffff0000; // flowid ffff:, what tc writes for plain acceptance

    /// <summary>
    /// Equivalent to: <c>tc filter add dev INDEX parent PARENT protocol PROTOCOL prio PRIORITY handle TABLE: u32 divisor DIVISOR</c>
    /// for a table, and <c>… u32 ht TABLE:BUCKET: handle NODE match … link|action|flowid …</c> for a node.
    /// </summary>
    public static void Add(NetlinkBatch batch, U32Filter filter, string operation, params ReadOnlySpan<Errno> tolerated)
    {
        using var message = batch.Message(
            (ushort)RouteMessage.NewFilter, MessageFlags.Create | MessageFlags.Exclusive, operation, tolerated);
        message.Structure(Header(filter.At, filter.Handle.Value));
        message.Attribute(TcAttribute.Kind, "u32");
        using var options = message.Nested(TcAttribute.Options);
        switch (filter)
        {
            case U32Table table:
                message.Attribute(U32Attribute.Divisor, (uint)table.Divisor);
                break;
            case U32Node node:
                WriteNode(message, node);
                break;
            default:
                throw new ArgumentException($"neither table nor node: {filter}", nameof(filter));
        }
    }

    /// <summary>
    /// Removes one table or node; its absence is success.
    /// Equivalent to: <c>tc filter del dev INDEX parent PARENT protocol PROTOCOL prio PRIORITY handle HANDLE u32</c>.
    /// </summary>
    public static void Delete(NetlinkBatch batch, FilterAttachment at, U32Handle handle, string operation)
    {
        using var message = batch.Message(
            (ushort)RouteMessage.DeleteFilter, MessageFlags.None, operation, Errno.NoEntry, Errno.NoSuchDevice, Errno.Invalid);
        message.Structure(Header(at, handle.Value));
        message.Attribute(TcAttribute.Kind, "u32");
    }

    /// <summary>
    /// Removes all filters of one priority; their absence is success.
    /// Equivalent to: <c>tc filter del dev INDEX parent PARENT protocol PROTOCOL prio PRIORITY</c>.
    /// </summary>
    public static void DeletePriority(NetlinkBatch batch, FilterAttachment at, string operation)
    {
        using var message = batch.Message(
            (ushort)RouteMessage.DeleteFilter, MessageFlags.None, operation, Errno.NoEntry, Errno.NoSuchDevice, Errno.Invalid);
        message.Structure(Header(at, 0));
    }

    /// <summary>
    /// All u32 tables and nodes of one priority, the root table left out.
    /// Equivalent to: <c>tc filter show dev INDEX parent PARENT protocol PROTOCOL prio PRIORITY</c>.
    /// A device without such filters, or without a qdisc for them, has none.
    /// </summary>
    public static List<U32Filter> List(NetlinkConnection connection, FilterAttachment at)
    {
        var filters = new List<U32Filter>();
        Dump(
            connection,
            at,
            found =>
            {
                if (IsAt(found, at) && Parse(at, found.Header.Handle, found.Options) is { } filter)
                {
                    filters.Add(filter);
                }
            },
            filters.Clear);
        return filters;
    }

    /// <summary>
    /// What the action of each node of one priority counted. Nodes without an action count nothing and are left out; of several actions
    /// the first one counts, to which every packet of the node goes. A place that is not there has none.
    /// Equivalent to: <c>tc -s filter show dev INDEX parent PARENT protocol PROTOCOL prio PRIORITY</c>.
    /// </summary>
    public static List<U32Statistic> ListStatistics(NetlinkConnection connection, FilterAttachment at)
    {
        var statistics = new List<U32Statistic>();
        Dump(
            connection,
            at,
            found =>
            {
                if (IsAt(found, at) && ParseStatistics(found.Options) is { } counters)
                {
                    statistics.Add(new U32Statistic(new U32Handle(found.Header.Handle), counters));
                }
            },
            statistics.Clear);
        return statistics;
    }

    /// <summary>
    /// Kind, priority and protocol of every filter on a hook: to tell whether somebody else uses it.
    /// Equivalent to: <c>tc filter show dev INDEX parent PARENT</c>.
    /// </summary>
    public static List<(string Kind, ushort Priority, EthernetProtocol Protocol)> ListPriorities(NetlinkConnection connection, int index, uint parent)
    {
        var found = new List<(string Kind, ushort Priority, EthernetProtocol Protocol)>();
        Dump(
            connection,
            new FilterAttachment(index, parent, 0, 0),
            filter => found.Add((
                filter.Kind, (ushort)(filter.Header.Info >> 16), (EthernetProtocol)(ushort)IPAddress.NetworkToHostOrder((short)filter.Header.Info))),
            found.Clear);
        return [.. found.Distinct()];
    }

    internal static NetlinkBatch Request(FilterAttachment at)
    {
        var request = new NetlinkBatch(256);
        using var message = request.Message((ushort)RouteMessage.GetFilter, MessageFlags.Dump, "list filters");
        message.Structure(Header(at, 0));
        return request;
    }

    // The kernel lists every priority of a hook where none is asked for, and the classifier itself, whose handle is 0.
    private static bool IsAt(TcObject found, FilterAttachment at) =>
        found.Kind == "u32" && found.Header.Handle != 0 && (ushort)(found.Header.Info >> 16) == at.Priority;

    private static void Dump(NetlinkConnection connection, FilterAttachment at, TcObject.Handler handler, Action restart)
    {
        try
        {
            connection.Dump(Request(at), received => handler(TcObject.Read(received)), restart);
        }
        catch (NetlinkException e) when (e.Errno is Errno.NoSuchDevice or Errno.Invalid or Errno.NoEntry)
        {
            restart();
        }
    }

    private static TcHeader Header(FilterAttachment at, uint handle) => new()
    {
        Index = at.Index,
        Handle = handle,
        Parent = at.Parent,
        Info = ((uint)at.Priority << 16) | (ushort)IPAddress.HostToNetworkOrder((short)at.Protocol),
    };

    private static void WriteNode(MessageWriter message, U32Node node)
    {
        if (node.Link is null && node.Action is null)
        {
            message.Attribute(U32Attribute.ClassId, node.Class ?? AcceptClass);
        }

        if (node.Handle.Table != 0)
        {
            message.Attribute(U32Attribute.Hash, node.Handle.Value & ~(uint)U32Handle.MaximumNode);
        }

        if (node.Link is not null)
        {
            message.Attribute(U32Attribute.Link, new U32Handle(node.Link.Table, 0, 0).Value);
        }

        if (node.Action is not null)
        {
            using (message.Nested(U32Attribute.Action))
            using (message.Element(1))
            {
                message.Attribute(ActionAttribute.Kind, "mirred");
                using (message.Nested(ActionAttribute.Options, flagged: true))
                {
                    message.Attribute(
                        MirredAttribute.Parameters,
                        new MirredParameters { Verdict = node.Action.Verdict, Action = node.Action.Action, Target = node.Action.Target });
                }
            }
        }

        WriteSelector(message, node);
    }

    private static unsafe void WriteSelector(MessageWriter message, U32Node node)
    {
        var length = sizeof(U32Selector) + (node.Keys.Count * sizeof(U32SelectorKey));
        Span<byte> bytes = stackalloc byte[length];
        var selector = new U32Selector
        {
            Flags = node.Link is null ? SelectorFlags.Terminal : SelectorFlags.None,
            KeyCount = checked((byte)node.Keys.Count),
        };
        if (node.Link is { } link)
        {
            selector.HashMask = BinaryPrimitives.ReverseEndianness(link.HashMask);
            selector.HashAt = link.HashAt;
            if (link.Offset is { } offset)
            {
                selector.Flags |= offset.Mask != 0 ? SelectorFlags.VariableOffset : SelectorFlags.Offset;
                selector.Flags |= offset.Eat ? SelectorFlags.Eat : SelectorFlags.None;
                selector.Offset = offset.Fixed;
                selector.OffsetMask = BinaryPrimitives.ReverseEndianness(offset.Mask);
                selector.OffsetShift = offset.Shift;
                selector.OffsetAt = offset.At;
            }
        }

        MemoryMarshal.Write(bytes, in selector);
        for (var i = 0; i < node.Keys.Count; i++)
        {
            var key = new U32SelectorKey
            {
                Mask = BinaryPrimitives.ReverseEndianness(node.Keys[i].Mask),
                Value = BinaryPrimitives.ReverseEndianness(node.Keys[i].Value),
                At = node.Keys[i].At,
                OffsetMask = node.Keys[i].AtNextHeader ? -1 : 0,
            };
            MemoryMarshal.Write(bytes[(sizeof(U32Selector) + (i * sizeof(U32SelectorKey)))..], in key);
        }

        message.Attribute(U32Attribute.Selector, bytes);
    }

    private static U32Filter? Parse(FilterAttachment at, uint handle, ReadOnlySpan<byte> options)
    {
        int? divisor = null;
        int? linked = null;
        Mirred? action = null;
        uint? classId = null;
        ReadOnlySpan<byte> selector = default;
        foreach (var attribute in new AttributeReader(options))
        {
            switch ((U32Attribute)attribute.Type)
            {
                case U32Attribute.ClassId:
                    classId = attribute.As<uint>() is var id and not AcceptClass ? id : null;
                    break;
                case U32Attribute.Divisor:
                    divisor = attribute.As<int>();
                    break;
                case U32Attribute.Link:
                    linked = new U32Handle(attribute.As<uint>()).Table;
                    break;
                case U32Attribute.Selector:
                    selector = attribute.Value;
                    break;
                case U32Attribute.Action:
                    action = ParseAction(attribute);
                    break;
            }
        }

        var requested = new U32Handle(handle);
        if (divisor is { } buckets)
        {
            return requested.AsRequested.Value == 0 ? null : new U32Table(at, requested, buckets);
        }

        return ParseSelector(at, requested, selector, linked) with { Action = action, Class = classId };
    }

    private static unsafe U32Node ParseSelector(FilterAttachment at, U32Handle handle, ReadOnlySpan<byte> bytes, int? linked)
    {
        if (bytes.Length < sizeof(U32Selector))
        {
            throw new NetlinkProtocolException($"a u32 selector of {bytes.Length} bytes");
        }

        var selector = MemoryMarshal.Read<U32Selector>(bytes);
        if (bytes.Length < sizeof(U32Selector) + (selector.KeyCount * sizeof(U32SelectorKey)))
        {
            throw new NetlinkProtocolException($"a u32 selector of {bytes.Length} bytes with {selector.KeyCount} keys");
        }

        var keys = new U32Key[selector.KeyCount];
        for (var i = 0; i < keys.Length; i++)
        {
            var key = MemoryMarshal.Read<U32SelectorKey>(bytes[(sizeof(U32Selector) + (i * sizeof(U32SelectorKey)))..]);
            keys[i] = new U32Key(
                BinaryPrimitives.ReverseEndianness(key.Value), BinaryPrimitives.ReverseEndianness(key.Mask), key.At, key.OffsetMask != 0);
        }

        U32Link? link = null;
        if (linked is { } table)
        {
            var moves = (selector.Flags & (SelectorFlags.Offset | SelectorFlags.VariableOffset)) != 0;
            link = new U32Link(
                table,
                BinaryPrimitives.ReverseEndianness(selector.HashMask),
                selector.HashAt,
                moves
                    ? new U32Offset(
                        selector.Offset,
                        BinaryPrimitives.ReverseEndianness(selector.OffsetMask),
                        selector.OffsetShift,
                        selector.OffsetAt,
                        (selector.Flags & SelectorFlags.Eat) != 0)
                    : null);
        }

        return new U32Node(at, handle, keys) { Link = link };
    }

    internal static Mirred? ParseAction(ReceivedAttribute actions)
    {
        foreach (var element in actions.Nested)
        {
            foreach (var attribute in element.Nested)
            {
                if ((ActionAttribute)attribute.Type != ActionAttribute.Options)
                {
                    continue;
                }

                foreach (var option in attribute.Nested)
                {
                    if ((MirredAttribute)option.Type == MirredAttribute.Parameters)
                    {
                        var parameters = option.As<MirredParameters>();
                        return new Mirred(parameters.Action, parameters.Verdict, parameters.Target);
                    }
                }
            }
        }

        return null;
    }

    private static QueueStatistics? ParseStatistics(ReadOnlySpan<byte> options)
    {
        foreach (var option in new AttributeReader(options))
        {
            if ((U32Attribute)option.Type != U32Attribute.Action)
            {
                continue;
            }

            foreach (var action in option.Nested)
            {
                foreach (var attribute in action.Nested)
                {
                    if ((ActionAttribute)attribute.Type == ActionAttribute.Statistics)
                    {
                        return QueueStatistics.Parse(attribute.Value);
                    }
                }

                break;
            }
        }

        return null;
    }
}
