using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;

namespace CniIsolator.Netlink.Route;

/// <summary>Operations on IPv4 neighbours (the ARP table).</summary>
public static class Neighbours
{
    private const NeighbourState Known =
        NeighbourState.Reachable | NeighbourState.Stale | NeighbourState.Delay | NeighbourState.Probe | NeighbourState.Permanent;

    /// <summary>
    /// The link-layer address that the kernel has for a neighbour, or null.
    /// Equivalent to: <c>ip neigh get ADDRESS dev INDEX</c> (kernel 5.0; older ones answer that they cannot, hence null).
    /// </summary>
    public static MacAddress? Find(NetlinkConnection connection, int index, InternetAddress address)
    {
        var request = new NetlinkBatch(256);
        using (var message = request.Message((ushort)RouteMessage.GetNeighbour, MessageFlags.None, $"look up neighbour {address}"))
        {
            message.Structure(new NeighbourHeader { Family = AddressFamily.InterNetwork, Index = index });
            message.Attribute(NeighbourAttribute.Destination, address.ToBytes());
        }

        MacAddress? mac = null;
        connection.Get(
            request,
            received =>
            {
                if ((received.Structure<NeighbourHeader>().State & Known) == 0)
                {
                    return;
                }

                foreach (var attribute in received.Attributes<NeighbourHeader>())
                {
                    if ((NeighbourAttribute)attribute.Type == NeighbourAttribute.LinkLayerAddress && attribute.Value.Length == 6)
                    {
                        mac = new MacAddress(attribute.Value);
                    }
                }
            },
            Errno.NoEntry,
            Errno.NotSupported,
            Errno.Invalid);
        return mac;
    }

    /// <summary>
    /// Adds a neighbour as stale: used at once, confirmed by the kernel soon after.
    /// Equivalent to: <c>ip neigh replace ADDRESS lladdr MAC dev INDEX nud stale</c>.
    /// </summary>
    public static void AddStale(NetlinkBatch batch, int index, InternetAddress address, MacAddress mac)
    {
        using var message = batch.Message(
            (ushort)RouteMessage.NewNeighbour, MessageFlags.Create | MessageFlags.Replace, $"add neighbour {address}");
        message.Structure(new NeighbourHeader { Family = AddressFamily.InterNetwork, Index = index, State = NeighbourState.Stale });
        message.Attribute(NeighbourAttribute.Destination, address.ToBytes());
        message.Attribute(NeighbourAttribute.LinkLayerAddress, mac.ToBytes());
    }
}
