using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;

namespace CniIsolator.Netlink.Route;

/// <summary>A default route of the main table with one next hop.</summary>
/// <param name="OutputInterface">Index of the interface that packets leave by.</param>
/// <param name="Gateway">The next hop; null where the destination itself is on the link.</param>
/// <param name="Priority">The metric: the lowest wins.</param>
/// <param name="Source">The address that the host's own packets get on this route; null where the kernel chooses one.</param>
public sealed record DefaultRoute(int OutputInterface, InternetAddress? Gateway, uint Priority, InternetAddress? Source = null);

/// <summary>Operations on IPv4 routes.</summary>
public static class Routes
{
    private const byte MainTable = 254; // RT_TABLE_MAIN
    private const byte ProtocolBoot = 3; // RTPROT_BOOT
    private const byte ScopeUniverse = 0; // RT_SCOPE_UNIVERSE
    private const byte ScopeLink = 253; // RT_SCOPE_LINK
    private const byte ScopeNowhere = 255; // RT_SCOPE_NOWHERE: any, where a route is removed
    private const byte TypeUnicast = 1; // RTN_UNICAST
    private const uint OnLink = 4; // RTNH_F_ONLINK

    /// <summary>
    /// Equivalent to: <c>ip route add default via GATEWAY dev INDEX onlink</c>, or without gateway
    /// <c>ip route add default dev INDEX</c>. On-link, because clouds hand out gateways outside the address' prefix.
    /// </summary>
    public static void AddDefault(NetlinkBatch batch, int index, InternetAddress? gateway)
    {
        using var message = batch.Message(
            (ushort)RouteMessage.NewRoute, MessageFlags.Create | MessageFlags.Exclusive, $"add default route via {gateway?.ToString() ?? "the link"}");
        message.Structure(new RouteHeader
        {
            Family = AddressFamily.InterNetwork,
            Table = MainTable,
            Protocol = ProtocolBoot,
            Scope = gateway is null ? ScopeLink : ScopeUniverse,
            Type = TypeUnicast,
            Flags = gateway is null ? 0 : OnLink,
        });
        if (gateway is { } address)
        {
            message.Attribute(RouteAttribute.Gateway, address.ToBytes());
        }

        message.Attribute(RouteAttribute.OutputInterface, index);
    }

    /// <summary>
    /// Removes a default route; its absence is success.
    /// Equivalent to: <c>ip route del default [via GATEWAY] dev INDEX metric METRIC</c>.
    /// </summary>
    public static void DeleteDefault(NetlinkBatch batch, DefaultRoute route)
    {
        using var message = batch.Message(
            (ushort)RouteMessage.DeleteRoute, MessageFlags.None, $"remove default route via {route.Gateway?.ToString() ?? "the link"}", Errno.NoSuchProcess);
        message.Structure(new RouteHeader { Family = AddressFamily.InterNetwork, Table = MainTable, Scope = ScopeNowhere });
        if (route.Gateway is { } gateway)
        {
            message.Attribute(RouteAttribute.Gateway, gateway.ToBytes());
        }

        message.Attribute(RouteAttribute.OutputInterface, route.OutputInterface);
        message.Attribute(RouteAttribute.Priority, route.Priority);
    }

    /// <summary>Equivalent to: <c>ip -4 route show default table main</c>, lowest metric first.</summary>
    public static List<DefaultRoute> ListDefaults(NetlinkConnection connection)
    {
        var request = new NetlinkBatch(256);
        using (var message = request.Message((ushort)RouteMessage.GetRoute, MessageFlags.Dump, "list routes"))
        {
            message.Structure(new RouteHeader { Family = AddressFamily.InterNetwork, Table = MainTable });
            message.Attribute(RouteAttribute.Table, (uint)MainTable);
        }

        var routes = new List<DefaultRoute>();
        try
        {
            Dump(connection, request, routes);
        }
        catch (NetlinkException e) when (e.Errno == Errno.NoEntry)
        {
            // The kernel makes the table with its first route.
            return [];
        }

        return [.. routes.OrderBy(r => r.Priority)];
    }

    private static void Dump(NetlinkConnection connection, NetlinkBatch request, List<DefaultRoute> routes) =>
        connection.Dump(
            request,
            received =>
            {
                var header = received.Structure<RouteHeader>();
                if (header.Family != AddressFamily.InterNetwork || header.DestinationLength != 0 || header.Table != MainTable || header.Type != TypeUnicast)
                {
                    return;
                }

                var route = new DefaultRoute(0, null, 0);
                foreach (var attribute in received.Attributes<RouteHeader>())
                {
                    route = (RouteAttribute)attribute.Type switch
                    {
                        RouteAttribute.OutputInterface => route with { OutputInterface = attribute.As<int>() },
                        RouteAttribute.Gateway => route with { Gateway = InternetAddress.FromWire(attribute.Value) },
                        RouteAttribute.PreferredSource => route with { Source = InternetAddress.FromWire(attribute.Value) },
                        RouteAttribute.Priority => route with { Priority = attribute.As<uint>() },
                        _ => route,
                    };
                }

                // Without an interface of its own it is a multipath route, which no single container interface can stand for.
                if (route.OutputInterface != 0)
                {
                    routes.Add(route);
                }
            },
            routes.Clear);
}
