using CniIsolator.Ipam;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.DataPath;

/// <summary>
/// Ingress of the master and of the host's loopback: finds the container that owns a packet's destination port, or the
/// source port that an ICMP error quotes, in a fixed number of steps however many containers there are.
/// <code>
/// root: to the shared address ── by protocol ─┬─ tcp, udp, sctp: skip the IP header ── by port / 256 ── slices, fixed ports
///                                             └─ icmp: skip the IP header ─┬─ errors: quoted header ── by port / 256 ── …
///                                                                          └─ echo replies: a copy to every container
/// </code>
/// Table numbers are the kernel's name space of the whole hook, hence far from the small ones that people choose.
/// </summary>
public static class PortDemultiplexer
{
    private const int ByProtocol = 0x600;
    private const int Icmp = 0x604;
    private const int QuotedHeader = 0x605;
    private const int EchoReplies = 0x60a;
    private const int ArpReplies = 0x60b;
    private const int Slices = 0x610;
    private const int QuotedSlices = 0x620;

    // One table of a single bucket for each protocol: the kernel reads a hash key before it skips a header, see U32Link.
    private static int Ports(TransportProtocol protocol) => 0x601 + Index(protocol);

    private static int QuotedPorts(TransportProtocol protocol) => 0x606 + Index(protocol);

    private static int Fixed(TransportProtocol protocol) => Slices + 1 + Index(protocol);

    private static int QuotedFixed(TransportProtocol protocol) => QuotedSlices + 1 + Index(protocol);

    /// <summary>What all containers of a host share, on the master.</summary>
    public static IEnumerable<U32Filter> SharedOnMaster(int master, InternetAddress address)
    {
        var arp = new FilterList(Hooks.Arp(master));
        arp.Table(ArpReplies, 1);

        // Only replies: requests for the shared address are the host's to answer, once.
        arp.Link(Hooks.Root, 0, 1, new U32Link(ArpReplies), new U32Key(2, 0x0000_ffff, 4));

        var filters = Shared(master, quotedSource: address);
        filters.Table(EchoReplies, 1);
        filters.Link(Icmp, 0, 4, new U32Link(EchoReplies), PacketKeys.IcmpType(PacketKeys.EchoReply));

        // Nobody outside has the shared address or 127.x.x.x. A container takes packets from its own address, since its neighbours have
        // the same, so it would believe such a forgery; the host's stack does not.
        filters.Accept(Hooks.Root, 0, 1, PacketKeys.Destination(address), PacketKeys.Source(address));
        filters.Accept(Hooks.Root, 0, 2, PacketKeys.Destination(address), PacketKeys.SourceNet(InternetAddress.Loopback, 0xff00_0000));
        filters.Link(Hooks.Root, 0, 3, PacketKeys.ByProtocol(ByProtocol), PacketKeys.Destination(address), PacketKeys.FirstFragment);
        return arp.Concat(filters);
    }

    /// <summary>What all containers of a host share, on the host's loopback.</summary>
    public static IEnumerable<U32Filter> SharedOnLoopback(InternetAddress address)
    {
        // Errors on the loopback may quote the shared address or 127.0.0.1: nothing foreign gets here.
        var filters = Shared(Hooks.Loopback, quotedSource: null);
        filters.Link(Hooks.Root, 0, 1, PacketKeys.ByProtocol(ByProtocol), PacketKeys.Destination(address), PacketKeys.FirstFragment);
        filters.Link(Hooks.Root, 0, 2, PacketKeys.ByProtocol(ByProtocol), PacketKeys.Destination(InternetAddress.Loopback), PacketKeys.FirstFragment);
        return filters;
    }

    /// <summary>One container's entries on the master.</summary>
    public static IEnumerable<U32Filter> OnMaster(AttachmentPath path)
    {
        // "continue" makes each copy independent of the next container's: no list is shared, and none has a longest size.
        var copy = Mirred.Mirror(path.HostEnd, Verdict.Continue);
        var arp = new FilterList(Hooks.Arp(path.Master));
        arp.Act(ArpReplies, 0, path.Slot, copy, U32Key.Any);
        var filters = Entries(path, path.Master);
        filters.Act(EchoReplies, 0, path.Slot, copy, U32Key.Any);
        return arp.Concat(filters);
    }

    /// <summary>One container's entries on the host's loopback.</summary>
    public static IEnumerable<U32Filter> OnLoopback(AttachmentPath path) => Entries(path, Hooks.Loopback);

    /// <summary>
    /// The filters that deliver packets to a container's own ports, on the master and on the loopback alike: what they count is what each
    /// port received. Errors that quote a port are delivered by others.
    /// </summary>
    public static IEnumerable<PortDelivery> Deliveries(PortRange slice, IReadOnlyList<PortClaim> claims)
    {
        foreach (var block in PortBlock.Cut(slice))
        {
            yield return new PortDelivery(new U32Handle(Slices, PortBlock.Bucket(block), PortBlock.Node(block)), null, slice);
        }

        foreach (var claim in claims)
        {
            foreach (var block in PortSet.From(claim.Range).Decompose().SelectMany(PortBlock.Cut))
            {
                yield return new PortDelivery(new U32Handle(Fixed(claim.Protocol), PortBlock.Bucket(block), PortBlock.Node(block)), claim.Protocol, claim.Range);
            }
        }
    }

    private static FilterList Shared(int device, InternetAddress? quotedSource)
    {
        var filters = new FilterList(Hooks.Internet(device));
        filters.Table(Slices, PortBlock.Buckets);
        filters.Table(QuotedSlices, PortBlock.Buckets);
        filters.Table(ByProtocol, PortBlock.Buckets);
        filters.Table(Icmp, 1);
        filters.Table(QuotedHeader, 1);
        foreach (var protocol in AttachmentPath.Protocols)
        {
            filters.Table(Fixed(protocol), PortBlock.Buckets);
            filters.Table(QuotedFixed(protocol), PortBlock.Buckets);
            filters.Table(Ports(protocol), 1);
            filters.Table(QuotedPorts(protocol), 1);

            filters.Link(Ports(protocol), 0, 1, new U32Link(Slices, 0x0000_ff00), U32Key.Any);
            filters.Link(Ports(protocol), 0, 2, new U32Link(Fixed(protocol), 0x0000_ff00), U32Key.Any);
            filters.Link(ByProtocol, (byte)protocol, 1, new U32Link(Ports(protocol), Offset: U32Offset.BehindIPv4), U32Key.Any);

            filters.Link(QuotedPorts(protocol), 0, 1, new U32Link(QuotedSlices, 0xff00_0000), U32Key.Any);
            filters.Link(QuotedPorts(protocol), 0, 2, new U32Link(QuotedFixed(protocol), 0xff00_0000), U32Key.Any);
            U32Key[] quoted = [PacketKeys.Protocol((byte)protocol), PacketKeys.FirstFragment];
            filters.Link(
                QuotedHeader,
                0,
                1 + Index(protocol),
                new U32Link(QuotedPorts(protocol), Offset: U32Offset.BehindIPv4),
                quotedSource is { } source ? [.. quoted, PacketKeys.Source(source)] : quoted);
        }

        for (var i = 0; i < PacketKeys.IcmpErrors.Length; i++)
        {
            const int IcmpHeaderLength = 8;
            filters.Link(
                Icmp,
                0,
                1 + i,
                new U32Link(QuotedHeader, Offset: new U32Offset(IcmpHeaderLength, 0, 0, 0, Eat: true)),
                PacketKeys.IcmpType(PacketKeys.IcmpErrors[i]));
        }

        filters.Link(ByProtocol, PacketKeys.Icmp, 1, new U32Link(Icmp, Offset: U32Offset.BehindIPv4), U32Key.Any);
        return filters;
    }

    private static FilterList Entries(AttachmentPath path, int device)
    {
        var filters = new FilterList(Hooks.Internet(device));
        var deliver = Mirred.Redirect(path.HostEnd);
        foreach (var block in PortBlock.Cut(path.Slice))
        {
            filters.Act(Slices, PortBlock.Bucket(block), PortBlock.Node(block), deliver, PacketKeys.DestinationPort(block));
            filters.Act(QuotedSlices, PortBlock.Bucket(block), PortBlock.Node(block), deliver, PacketKeys.SourcePort(block));
        }

        foreach (var protocol in AttachmentPath.Protocols)
        {
            foreach (var block in path.ClaimedRanges(protocol).SelectMany(PortBlock.Cut))
            {
                filters.Act(Fixed(protocol), PortBlock.Bucket(block), PortBlock.Node(block), deliver, PacketKeys.DestinationPort(block));
                filters.Act(QuotedFixed(protocol), PortBlock.Bucket(block), PortBlock.Node(block), deliver, PacketKeys.SourcePort(block));
            }
        }

        return filters;
    }

    private static int Index(TransportProtocol protocol) => Array.IndexOf(AttachmentPath.Protocols, protocol);
}

/// <summary>A filter that delivers packets to some ports of a container.</summary>
/// <param name="Handle">The filter's.</param>
/// <param name="Protocol">Null for the slice, whose ports are owned for every protocol.</param>
/// <param name="Ports">The whole range that the container owns, of which this may be a part.</param>
public sealed record PortDelivery(U32Handle Handle, TransportProtocol? Protocol, PortRange Ports);
