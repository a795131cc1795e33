using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Plugin.DataPath;

/// <summary>
/// Ingress of the container's own devices. The container has the host's address, so its kernel sends whatever is for
/// that address, or for 127.0.0.1, to its loopback: there stays what is for ports it owns, and the rest leaves for the host.
/// </summary>
internal static class ContainerFilters
{
    private const int OwnedPorts = 0x700;

    public static IEnumerable<U32Filter> OnLoopback(AttachmentPath path)
    {
        var filters = new FilterList(FilterPlaces.Internet(FilterPlaces.Loopback));
        var leave = Mirred.Redirect(path.ContainerEnd);
        InternetAddress[] shared = path.HostLoopback ? [path.Address, InternetAddress.Loopback] : [path.Address];

        filters.Table(OwnedPorts, 256);
        foreach (var protocol in AttachmentPath.Protocols)
        {
            var node = 1;
            foreach (var range in path.OwnedRanges(protocol))
            {
                filters.Accept(OwnedPorts, (byte)protocol, node++, PacketKeys.DestinationPort(range, nextHeader: true));
            }

            for (var i = 0; i < shared.Length; i++)
            {
                filters.Act(OwnedPorts, (byte)protocol, U32Handle.MaximumNode - 1 + i, leave, PacketKeys.Destination(shared[i]));
            }
        }

        // ICMP ends here, whether the container pinged its own address or an error came in from the veth: were it sent
        // out again it would go round for ever.
        filters.Accept(FilterPlaces.Root, 0, 1, PacketKeys.Protocol(PacketKeys.Icmp));
        filters.Link(FilterPlaces.Root, 0, 2, PacketKeys.ByProtocol(OwnedPorts, U32Offset.NextHeaderBehindIPv4), PacketKeys.FirstFragment);

        // Other protocols have no ports to share by, and stay.
        filters.Accept(FilterPlaces.Root, 0, 3, PacketKeys.FirstFragment);

        // Later fragments do not say whose they are: a copy goes each way, and where the first one went they are used.
        for (var i = 0; i < shared.Length; i++)
        {
            filters.Act(FilterPlaces.Root, 0, 4 + i, Mirred.Mirror(path.ContainerEnd, Verdict.Pass), PacketKeys.Destination(shared[i]));
        }

        return filters;
    }

    public static IEnumerable<U32Filter> OnInterface(AttachmentPath path)
    {
        var filters = new FilterList(FilterPlaces.Internet(path.ContainerEnd));
        if (path.HostLoopback)
        {
            // Only the loopback device may receive 127.0.0.1; anywhere else the kernel calls it martian.
            filters.Act(
                FilterPlaces.Root, 0, 1, Mirred.Redirect(FilterPlaces.Loopback), PacketKeys.Destination(InternetAddress.Loopback));
        }

        return filters;
    }
}
