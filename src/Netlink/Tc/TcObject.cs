using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.Tc;

/// <summary>A qdisc, class or filter as a message from the kernel has it: what all three have in common.</summary>
internal readonly ref struct TcObject
{
    private TcObject(TcHeader header, string kind, ReadOnlySpan<byte> options, ReadOnlySpan<byte> statistics, uint ingressBlock)
    {
        Header = header;
        Kind = kind;
        Options = options;
        Statistics = statistics;
        IngressBlock = ingressBlock;
    }

    public delegate void Handler(TcObject found);

    public TcHeader Header { get; }

    public string Kind { get; }

    /// <summary>Attributes whose meaning depends on the kind.</summary>
    public ReadOnlySpan<byte> Options { get; }

    /// <summary>The attributes of TCA_STATS2; empty for a filter, whose actions count instead.</summary>
    public ReadOnlySpan<byte> Statistics { get; }

    /// <summary>Of a qdisc whose filters several devices share, else 0.</summary>
    public uint IngressBlock { get; }

    /// <summary>The request for the qdiscs or classes of a device.</summary>
    public static NetlinkBatch Request(RouteMessage dump, int index, string operation)
    {
        var request = new NetlinkBatch(256);
        using var message = request.Message((ushort)dump, MessageFlags.Dump, operation);
        message.Structure(new TcHeader { Index = index });
        return request;
    }

    /// <summary>Hands over the qdiscs or classes of a device, or the qdiscs of all devices for index 0.</summary>
    public static void Dump(NetlinkConnection connection, RouteMessage dump, int index, string operation, Handler handler, Action restart) =>
        connection.Dump(
            Request(dump, index, operation),
            received =>
            {
                // The kernel's qdisc dump covers every device.
                if (index == 0 || received.Structure<TcHeader>().Index == index)
                {
                    handler(Read(received));
                }
            },
            restart);

    public static TcObject Read(ReceivedMessage received)
    {
        var kind = "";
        var block = 0u;
        ReadOnlySpan<byte> options = default;
        ReadOnlySpan<byte> statistics = default;
        foreach (var attribute in received.Attributes<TcHeader>())
        {
            switch ((TcAttribute)attribute.Type)
            {
                case TcAttribute.Kind:
                    kind = attribute.AsString();
                    break;
                case TcAttribute.Options:
                    options = attribute.Value;
                    break;
                case TcAttribute.Statistics:
                    statistics = attribute.Value;
                    break;
                case TcAttribute.IngressBlock:
                    block = attribute.As<uint>();
                    break;
            }
        }

        return new TcObject(received.Structure<TcHeader>(), kind, options, statistics, block);
    }
}
