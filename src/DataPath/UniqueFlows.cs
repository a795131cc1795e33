using CniIsolator.Ipam;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.DataPath;

/// <summary>
/// The master's egress with a queue for each container: an fq_codel serves its queues in turn, so that no container's packets wait
/// behind another's, and keeps each queue's delay short. The queue is found by the source port in a fixed number of steps.
/// <code>
/// root: ICMP ── control's queue
///       from the shared address ── by protocol ── skip the IP header ── by port / 256 ── slices, fixed ports ── container's queue
/// ARP ── control's queue
/// all else ── the host's queue
/// </code>
/// Later fragments have no port and go to the host's queue.
/// </summary>
public static class UniqueFlows
{
    /// <summary>Handle of the fq_codel: one with it is ours.</summary>
    public const uint Qdisc = 0x706d_0000;

    /// <summary>What texts call it.</summary>
    public static readonly string Name = $"fq_codel {TcHandle.Format(Qdisc)}";

    /// <summary>How many there are: one for each container, the host's, and that of ARP and ICMP.</summary>
    public const uint Queues = 1024;

    // Other numbers than the demultiplexer's tables, though these are another hook's: one number names one thing.
    private const int ByProtocol = 0x640;
    private const int Slices = 0x650;

    private static int Ports(TransportProtocol protocol) => 0x641 + Index(protocol);

    private static int Fixed(TransportProtocol protocol) => Slices + 1 + Index(protocol);

    /// <summary>Equivalent to: <c>tc qdisc add dev MASTER parent PARENT handle 706d: fq_codel flows 1024</c>.</summary>
    public static void AddQdisc(NetlinkBatch batch, int master, uint parent, string operation) =>
        FqCodel.Add(batch, master, parent, Qdisc, new FqCodelSettings(Flows: Queues), operation);

    /// <summary>
    /// What all containers share, in the order in which it must be made: an fq_codel with filters drops what none of them
    /// matches, so the one that matches everything comes first.
    /// </summary>
    public static IEnumerable<U32Filter> Shared(int master, InternetAddress address)
    {
        // No key at all, as the shortest packet has no byte to look at.
        var rest = new FilterList(new FilterAttachment(master, Qdisc, Hooks.HostFlowPriority, EthernetProtocol.All));
        rest.Classify(Hooks.Root, 0, 1, Qdisc | FlowNumber.Host);
        var arp = new FilterList(Hooks.Arp(master, Qdisc));
        arp.Classify(Hooks.Root, 0, 1, Qdisc | FlowNumber.Control);

        var filters = new FilterList(Hooks.Internet(master, Qdisc));
        filters.Table(Slices, PortBlock.Buckets);
        filters.Table(ByProtocol, 256);
        foreach (var protocol in AttachmentPath.Protocols)
        {
            filters.Table(Fixed(protocol), PortBlock.Buckets);
            filters.Table(Ports(protocol), 1);
            filters.Link(Ports(protocol), 0, 1, new U32Link(Slices, 0xff00_0000), U32Key.Any);
            filters.Link(Ports(protocol), 0, 2, new U32Link(Fixed(protocol), 0xff00_0000), U32Key.Any);
            filters.Link(ByProtocol, (byte)protocol, 1, new U32Link(Ports(protocol), Offset: U32Offset.BehindIPv4), U32Key.Any);
        }

        filters.Classify(Hooks.Root, 0, 1, Qdisc | FlowNumber.Control, PacketKeys.Protocol(PacketKeys.Icmp));
        filters.Link(Hooks.Root, 0, 2, PacketKeys.ByProtocol(ByProtocol), PacketKeys.Source(address), PacketKeys.FirstFragment);
        return rest.Concat(arp).Concat(filters);
    }

    /// <summary>One container's entries.</summary>
    public static IEnumerable<U32Filter> Entries(AttachmentPath path)
    {
        var filters = new FilterList(Hooks.Internet(path.Master, Qdisc));
        if (path.Flow == 0)
        {
            return filters;
        }

        var queue = Qdisc | (uint)path.Flow;
        foreach (var block in PortBlock.Cut(path.Slice))
        {
            filters.Classify(Slices, PortBlock.Bucket(block), PortBlock.Node(block), queue, PacketKeys.SourcePort(block));
        }

        foreach (var protocol in AttachmentPath.Protocols)
        {
            foreach (var block in path.ClaimedRanges(protocol).SelectMany(PortBlock.Cut))
            {
                filters.Classify(Fixed(protocol), PortBlock.Bucket(block), PortBlock.Node(block), queue, PacketKeys.SourcePort(block));
            }
        }

        return filters;
    }

    /// <summary>Whose queue a slice's packets go to, 0 if it has none: to rebuild a record from the kernel.</summary>
    public static int ReadFlow(IEnumerable<U32Filter> filters, PortRange slice)
    {
        var block = PortBlock.Cut(slice).First();
        var handle = new U32Handle(Slices, PortBlock.Bucket(block), PortBlock.Node(block));
        return filters.OfType<U32Node>().FirstOrDefault(n => n.Handle == handle)?.Class is { } id ? (int)(id & 0xffff) : 0;
    }

    private static int Index(TransportProtocol protocol) => Array.IndexOf(AttachmentPath.Protocols, protocol);
}
