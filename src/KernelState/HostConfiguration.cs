using System.Globalization;
using System.Net;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;

namespace CniIsolator.KernelState;

/// <summary>Why it is this address of the master that containers share.</summary>
public enum AddressReason
{
    /// <summary>It is the first global one: the master has no other, or nothing speaks for another.</summary>
    First,

    /// <summary>The operator says so.</summary>
    Configured,

    /// <summary>Containers that live share it already.</summary>
    Containers,

    /// <summary>The default route through the master has it as its source.</summary>
    Route,
}

/// <summary>What is read of the host before anything is decided.</summary>
/// <param name="Master">The interface whose address is shared.</param>
/// <param name="Address">The IPv4 address of it that is shared.</param>
/// <param name="Gateway">Next hop of the default route through the master, if there is one.</param>
/// <param name="HasDefaultRoute">Whether the host has a default route through the master.</param>
/// <param name="EphemeralRange">The host's own ephemeral ports.</param>
public sealed record HostConfiguration(
    Link Master, LinkAddress Address, InternetAddress? Gateway, bool HasDefaultRoute, PortRange EphemeralRange)
{
    private const byte ScopeUniverse = 0; // RT_SCOPE_UNIVERSE
    private const byte ScopeHost = 254; // RT_SCOPE_HOST

    /// <summary>Why it is <see cref="Address"/>.</summary>
    public AddressReason Reason { get; init; }

    /// <summary>What a container takes over.</summary>
    public HostValues Values => new()
    {
        Master = Master.Name,
        MasterIndex = Master.Index,
        Mac = Master.Mac.ToString(),
        Mtu = (int)Master.Mtu,
        Address = Address.Address.ToIPAddress(),
        PrefixLength = Address.PrefixLength,
        Gateway = Gateway?.ToIPAddress(),
    };

    /// <inheritdoc cref="Read(NetlinkConnection, string, IPAddress, Func{IReadOnlyCollection{IPAddress}})"/>
    public static HostConfiguration Read(NetlinkConnection host, string? master, IPAddress? address, IReadOnlyCollection<IPAddress> shared) =>
        Read(host, master, address, () => shared);

    /// <summary>Reads the host. Of several addresses the master shares the one that is asked for, else the one that containers share, else the
    /// source of its default route, else the first global one.</summary>
    /// <param name="host">A connection into the host's namespace.</param>
    /// <param name="master">Name of the interface; null for that of the IPv4 default route.</param>
    /// <param name="address">The address to share, which must be one of the master's; null for no wish.</param>
    /// <param name="shared">
    /// What containers that live share, the most common one first; what the master has not is passed over. Asked only where it matters.
    /// </param>
    /// <exception cref="IsolationException">
    /// <see cref="IsolationFault.InvalidConfiguration"/>: there is no such interface or address, or it cannot be shared; the message says which
    /// and why.
    /// </exception>
    /// <exception cref="NetlinkException">The kernel refused to tell.</exception>
    public static HostConfiguration Read(
        NetlinkConnection host, string? master, IPAddress? address, Func<IReadOnlyCollection<IPAddress>> shared)
    {
        ArgumentNullException.ThrowIfNull(shared);
        var defaults = Routes.ListDefaults(host);
        var link = FindMaster(host, master, defaults);
        var addresses = ListAddresses(host, link.Index);
        if (addresses.Count == 0)
        {
            throw Unusable(link.Name, "the interface has no IPv4 address to share");
        }

        var route = defaults.Find(r => r.OutputInterface == link.Index);
        var (chosen, reason) = Choose(link, addresses, address, shared, route);
        return new HostConfiguration(link, chosen, route?.Gateway, route is not null, ReadEphemeralRange()) { Reason = reason };
    }

    /// <summary>The IPv4 addresses of an interface that can be shared: primary before secondary ones, global ones before others.</summary>
    /// <exception cref="NetlinkException">The kernel refused to tell.</exception>
    public static IReadOnlyList<LinkAddress> ListAddresses(NetlinkConnection host, int index) =>
    [
        .. Addresses.List(host, index)
            .Where(a => a.Scope < ScopeHost)
            .OrderBy(a => a.Secondary)
            .ThenBy(a => a.Scope != ScopeUniverse),
    ];

    private static Link FindMaster(NetlinkConnection host, string? name, List<DefaultRoute> defaults)
    {
        Link? master;
        if (name is not null)
        {
            master = Links.Find(host, name) ?? throw Unusable(name, "the host has no interface of this name");
        }
        else
        {
            master = defaults.Count == 0 ? null : Links.Find(host, defaults[0].OutputInterface);
            if (master is null)
            {
                throw Unusable("", "it is not set, and the host has no IPv4 default route to take it from");
            }
        }

        if (master.IsLoopback || master.Mac.IsZero)
        {
            throw Unusable(master.Name, "it has no Ethernet address to share");
        }

        return master.IsUp ? master : throw Unusable(master.Name, "the interface is down");
    }

    private static (LinkAddress Address, AddressReason Reason) Choose(
        Link master, IReadOnlyList<LinkAddress> addresses, IPAddress? wanted, Func<IReadOnlyCollection<IPAddress>> shared, DefaultRoute? route)
    {
        if (wanted is not null)
        {
            var found = Find(addresses, wanted) ?? throw new IsolationException(
                IsolationFault.InvalidConfiguration,
                $"address \"{wanted}\": {master.Name} has no such address, it has {string.Join(", ", addresses)}",
                "name one of those, or leave the key out");
            return (found, AddressReason.Configured);
        }

        if (addresses.Count == 1)
        {
            return (addresses[0], AddressReason.First);
        }

        // Before the route: what the containers share has to stay one address, whatever became of the route meanwhile.
        foreach (var candidate in shared())
        {
            if (Find(addresses, candidate) is { } found)
            {
                return (found, AddressReason.Containers);
            }
        }

        return route?.Source is { } source && addresses.FirstOrDefault(a => a.Address == source) is { } preferred
            ? (preferred, AddressReason.Route)
            : (addresses[0], AddressReason.First);
    }

    private static LinkAddress? Find(IReadOnlyList<LinkAddress> addresses, IPAddress wanted) =>
        addresses.FirstOrDefault(a => wanted.Equals(new IPAddress(a.Address.ToBytes())));

    private static PortRange ReadEphemeralRange()
    {
        const string Name = "net/ipv4/ip_local_port_range";
        var parts = (Sysctl.Read(Name) ?? "32768\t60999").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return new PortRange(ushort.Parse(parts[0], CultureInfo.InvariantCulture), ushort.Parse(parts[1], CultureInfo.InvariantCulture));
    }

    private static IsolationException Unusable(string name, string reason) =>
        new(IsolationFault.InvalidConfiguration, $"master \"{name}\": {reason}");
}
