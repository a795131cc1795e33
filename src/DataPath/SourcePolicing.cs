using CniIsolator.Ipam;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.DataPath;

/// <summary>
/// Ingress of the veth's end on the host: what a container sends. It passes only from ports the container owns, and
/// only with the shared address. This stands on the host's side and holds whatever the container's root does.
/// <code>
/// root: from the shared address (or 127.0.0.1) ── owned source port? ── to this host: redirect to the host's loopback
///                                                                   └── else: redirect to the master
/// </code>
/// Anything else matches nothing, and a last filter drops it. Where the kernel has no BPF for that filter, it goes up the
/// host's stack on a device without address, forwarding and IPv6, where strict reverse-path filtering drops it.
/// </summary>
public static class SourcePolicing
{
    private const int OwnedPorts = 0x700;
    private const int Destinations = 0x701;
    private const int ToHost = 0x702;
    private const int QuotedPorts = 0x703;
    private const int LaterFragments = 0x704;
    private const int SoundHeaders = 0x705;

    public static IEnumerable<U32Filter> OnHostEnd(AttachmentPath path) => Arp(path).Concat(Internet(path));

    /// <summary>
    /// The ranges that the filters on a host end let its container send from, to rebuild a record from the kernel. Both generations
    /// are there while ports are being changed.
    /// </summary>
    public static (PortRange? Slice, List<PortClaim> Claims, int Generation) ReadOwnedPorts(IEnumerable<U32Filter> filters)
    {
        PortRange? slice = null;
        var generation = 0;
        var claims = new HashSet<PortClaim>();
        foreach (var node in filters.OfType<U32Node>().Where(n => n.Handle.Table == OwnedPorts && Array.IndexOf(AttachmentPath.Protocols, (TransportProtocol)n.Handle.Bucket) >= 0))
        {
            var key = node.Keys[0];
            var begin = (ushort)(key.Value >> 16);
            var range = new PortRange(begin, (ushort)(begin | ~(key.Mask >> 16)));
            if (node.Handle.Node == AttachmentPath.FirstNodeOf(0) || node.Handle.Node == AttachmentPath.FirstNodeOf(1))
            {
                slice = range;
                generation = node.Handle.Node == AttachmentPath.FirstNodeOf(0) ? 0 : 1;
            }
            else
            {
                claims.Add(new PortClaim((TransportProtocol)node.Handle.Bucket, range));
            }
        }

        return (slice, [.. claims], generation);
    }

    private static FilterList Arp(AttachmentPath path)
    {
        // Requests only, and only in the name of the shared address: nobody asks a container, so it has nothing to answer.
        var (mac, address) = (path.Mac, path.Address.Bits);
        var filters = new FilterList(Hooks.Arp(path.HostEnd));
        filters.Act(
            Hooks.Root,
            0,
            1,
            Mirred.Redirect(path.Master),
            [
                .. PacketKeys.EthernetSource(mac),
                new U32Key(0x0001_0800, 0xffff_ffff, 0), // Ethernet, IPv4
                new U32Key(0x0604_0001, 0xffff_ffff, 4), // address lengths, a request
                new U32Key((uint)mac.High << 16 | mac.Low >> 16, 0xffff_ffff, 8),
                new U32Key(mac.Low << 16 | address >> 16, 0xffff_ffff, 12),
                new U32Key(address << 16, 0xffff_0000, 16),
            ]);
        return filters;
    }

    private static FilterList Internet(AttachmentPath path)
    {
        var filters = new FilterList(Hooks.Internet(path.HostEnd));
        filters.Table(ToHost, 256);
        filters.Table(Destinations, 1);
        filters.Table(QuotedPorts, 1);
        filters.Table(OwnedPorts, 256);
        filters.Table(LaterFragments, 1);
        filters.Table(SoundHeaders, 1);
        AddToHost(filters, path);
        AddDestinations(filters, path);
        AddOwnedPorts(filters, path);
        AddLaterFragments(filters, path);
        AddRoot(filters, path);
        return filters;
    }

    /// <summary>
    /// Packets for this host. One for a port of its own sender never has to come here, and would come back for ever
    /// if the container's root reflected it: a redirect lowers no TTL.
    /// </summary>
    private static void AddToHost(FilterList filters, AttachmentPath path)
    {
        var loopback = Mirred.Redirect(Hooks.Loopback);
        var quoted = path.FirstNode;
        foreach (var protocol in AttachmentPath.Protocols)
        {
            var node = path.FirstNode;
            foreach (var range in path.OwnedRanges(protocol))
            {
                filters.Accept(ToHost, (byte)protocol, node++, PacketKeys.DestinationPort(range, nextHeader: true));
                filters.Accept(ToHost, PacketKeys.Icmp, quoted++, PacketKeys.QuotedProtocol(protocol), PacketKeys.SourcePort(range, PacketKeys.QuotedPortsAt, nextHeader: true));
            }

            filters.Act(ToHost, (byte)protocol, U32Handle.MaximumNode, loopback, U32Key.Any);
        }

        filters.Accept(ToHost, PacketKeys.Icmp, U32Handle.MaximumNode - 1, PacketKeys.IcmpType(PacketKeys.Echo, nextHeader: true));
        filters.Act(ToHost, PacketKeys.Icmp, U32Handle.MaximumNode, loopback, U32Key.Any);
    }

    private static void AddDestinations(FilterList filters, AttachmentPath path)
    {
        filters.Link(Destinations, 0, 1, PacketKeys.ByProtocol(ToHost), PacketKeys.Destination(path.Address));
        if (path.HostLoopback)
        {
            filters.Link(Destinations, 0, 2, PacketKeys.ByProtocol(ToHost), PacketKeys.Destination(InternetAddress.Loopback));
        }

        filters.Accept(Destinations, 0, 3, PacketKeys.DestinationNet(InternetAddress.Loopback, 0xff00_0000));
        filters.Act(
            Destinations, 0, 4, Mirred.Redirect(path.Master), [PacketKeys.Source(path.Address), .. PacketKeys.EthernetSource(path.Mac)]);
    }

    private static void AddOwnedPorts(FilterList filters, AttachmentPath path)
    {
        var quoted = path.FirstNode;
        foreach (var protocol in AttachmentPath.Protocols)
        {
            var node = path.FirstNode;
            foreach (var range in path.OwnedRanges(protocol))
            {
                filters.Link(OwnedPorts, (byte)protocol, node++, new U32Link(Destinations), PacketKeys.SourcePort(range, nextHeader: true));

                // An error is the container's to send when the packet it quotes was sent to a port of the container.
                filters.Link(
                    QuotedPorts,
                    0,
                    quoted++,
                    new U32Link(Destinations),
                    PacketKeys.PlainQuotedHeader,
                    PacketKeys.QuotedProtocol(protocol),
                    PacketKeys.DestinationPort(range, PacketKeys.QuotedPortsAt, nextHeader: true));
            }
        }

        filters.Link(OwnedPorts, PacketKeys.Icmp, 1, new U32Link(Destinations), PacketKeys.IcmpType(PacketKeys.Echo, nextHeader: true));

        // What the container received came to an address it shares. One that quotes another destination is about somebody else's
        // packet, and what it says of a path the receiver would believe of that destination.
        var icmp = 2;
        foreach (var address in (InternetAddress[])(path.HostLoopback ? [path.Address, InternetAddress.Loopback] : [path.Address]))
        {
            foreach (var error in PacketKeys.ContainerErrors)
            {
                filters.Link(OwnedPorts, PacketKeys.Icmp, icmp++, new U32Link(QuotedPorts), error, PacketKeys.QuotedDestination(address));
            }
        }
    }

    private static void AddRoot(FilterList filters, AttachmentPath path)
    {
        // A header of less than 20 bytes would have its own first bytes taken for ports.
        for (var i = 0; i < PacketKeys.SoundHeaders.Length; i++)
        {
            filters.Link(Hooks.Root, 0, 1 + i, new U32Link(SoundHeaders), PacketKeys.SoundHeaders[i]);
        }

        var owned = PacketKeys.ByProtocol(OwnedPorts, U32Offset.NextHeaderBehindIPv4);
        filters.Link(SoundHeaders, 0, 1, owned, PacketKeys.FirstFragment, PacketKeys.Source(path.Address));
        if (path.HostLoopback)
        {
            filters.Link(SoundHeaders, 0, 2, owned, PacketKeys.FirstFragment, PacketKeys.Source(InternetAddress.Loopback));
        }

        // u32 cannot say "not zero": a later fragment has one of the 13 bits of its offset set.
        for (var bit = 0; bit < 13; bit++)
        {
            filters.Link(SoundHeaders, 0, 3 + bit, new U32Link(LaterFragments), new U32Key(1u << bit, 1u << bit, 4));
        }
    }

    /// <summary>Later fragments have no ports; without their first one, which was checked, nobody can use them.</summary>
    private static void AddLaterFragments(FilterList filters, AttachmentPath path)
    {
        var loopback = Mirred.Redirect(Hooks.Loopback);
        filters.Act(LaterFragments, 0, 1, loopback, PacketKeys.Source(path.Address), PacketKeys.Destination(path.Address));
        if (path.HostLoopback)
        {
            filters.Act(
                LaterFragments, 0, 2, loopback, PacketKeys.Source(InternetAddress.Loopback), PacketKeys.Destination(InternetAddress.Loopback));
        }

        filters.Accept(LaterFragments, 0, 3, PacketKeys.DestinationNet(InternetAddress.Loopback, 0xff00_0000));
        filters.Act(
            LaterFragments, 0, 4, Mirred.Redirect(path.Master), [PacketKeys.Source(path.Address), .. PacketKeys.EthernetSource(path.Mac)]);
    }
}
