using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.DataPath;

/// <summary>
/// Ingress of the container's own devices. The container has the host's address, so its kernel sends whatever is for
/// that address, or for 127.0.0.1, to its loopback: there stays what is for ports it owns, and the rest leaves for the host.
/// </summary>
public static class ContainerFilters
{
    private const int OwnedPorts = 0x700;
    private const int QuotedPorts = 0x703;

    public static IEnumerable<U32Filter> OnLoopback(AttachmentPath path)
    {
        var filters = new FilterList(Hooks.Internet(Hooks.Loopback));
        var leave = Mirred.Redirect(path.ContainerEnd);
        InternetAddress[] shared = path.HostLoopback ? [path.Address, InternetAddress.Loopback] : [path.Address];

        filters.Table(OwnedPorts, 256);
        foreach (var protocol in AttachmentPath.Protocols)
        {
            var node = path.FirstNode;
            foreach (var range in path.OwnedRanges(protocol))
            {
                filters.Accept(OwnedPorts, (byte)protocol, node++, PacketKeys.DestinationPort(range, nextHeader: true));
            }

            for (var i = 0; i < shared.Length; i++)
            {
                filters.Act(OwnedPorts, (byte)protocol, U32Handle.MaximumNode - 1 + i, leave, PacketKeys.Destination(shared[i]));
            }
        }

        AddIcmpErrors(filters, path, shared, leave);
        filters.Link(Hooks.Root, 0, 1, PacketKeys.ByProtocol(OwnedPorts, U32Offset.NextHeaderBehindIPv4), PacketKeys.FirstFragment);

        // All other ICMP ends here: were it sent out again it would go round for ever.
        filters.Accept(Hooks.Root, 0, 2, PacketKeys.Protocol(PacketKeys.Icmp));

        // Other protocols have no ports to share by, and stay.
        filters.Accept(Hooks.Root, 0, 3, PacketKeys.FirstFragment);

        // Later fragments do not say whose they are: a copy goes each way, and where the first one went they are used.
        for (var i = 0; i < shared.Length; i++)
        {
            filters.Act(Hooks.Root, 0, 4 + i, Mirred.Mirror(path.ContainerEnd, Verdict.Pass), PacketKeys.Destination(shared[i]));
        }

        return filters;
    }

    /// <summary>
    /// An error that this container's kernel makes about a packet of the host or of another container leaves for it.
    /// One that quotes a port of this container stays: such ones alone come in from the veth, and would go round.
    /// </summary>
    private static void AddIcmpErrors(FilterList filters, AttachmentPath path, InternetAddress[] shared, Mirred leave)
    {
        filters.Table(QuotedPorts, 1);
        var accept = path.FirstNode;
        var redirect = U32Handle.MaximumNode;
        foreach (var protocol in AttachmentPath.Protocols)
        {
            foreach (var range in path.OwnedRanges(protocol))
            {
                filters.Accept(
                    QuotedPorts, 0, accept++, PacketKeys.QuotedProtocol(protocol), PacketKeys.SourcePort(range, PacketKeys.QuotedPortsAt, nextHeader: true));
            }
        }

        foreach (var protocol in AttachmentPath.Protocols)
        {
            foreach (var address in shared)
            {
                filters.Act(
                    QuotedPorts, 0, redirect--, leave, PacketKeys.PlainQuotedHeader, PacketKeys.QuotedProtocol(protocol), PacketKeys.Destination(address));
            }
        }

        for (var i = 0; i < PacketKeys.IcmpErrors.Length; i++)
        {
            filters.Link(
                OwnedPorts, PacketKeys.Icmp, 1 + i, new U32Link(QuotedPorts), PacketKeys.IcmpType(PacketKeys.IcmpErrors[i], nextHeader: true));
        }
    }

    public static IEnumerable<U32Filter> OnInterface(AttachmentPath path)
    {
        var filters = new FilterList(Hooks.Internet(path.ContainerEnd));
        if (path.HostLoopback)
        {
            // Only the loopback device may receive 127.0.0.1; anywhere else the kernel calls it martian.
            filters.Act(
                Hooks.Root, 0, 1, Mirred.Redirect(Hooks.Loopback), PacketKeys.Destination(InternetAddress.Loopback));
        }

        return filters;
    }
}
