using System.Globalization;
using CniIsolator.Cni;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Attaching;

/// <summary>What the plugin reads of the host before it decides anything.</summary>
/// <param name="Master">The interface whose address is shared.</param>
/// <param name="Address">Its first global IPv4 address.</param>
/// <param name="Gateway">Next hop of the default route through the master, if there is one.</param>
/// <param name="HasDefaultRoute">Whether the host has a default route through the master.</param>
/// <param name="EphemeralRange">The host's own ephemeral ports.</param>
internal sealed record HostFacts(
    Link Master, LinkAddress Address, InternetAddress? Gateway, bool HasDefaultRoute, PortRange EphemeralRange)
{
    private const byte ScopeUniverse = 0; // RT_SCOPE_UNIVERSE
    private const byte ScopeHost = 254; // RT_SCOPE_HOST

    /// <exception cref="CniException">There is no such interface, or it cannot be shared; the message says which and why.</exception>
    public static HostFacts Read(NetlinkConnection host, string? masterName)
    {
        var defaults = Routes.ListDefaults(host);
        Link? master;
        if (masterName is not null)
        {
            master = Links.Find(host, masterName)
                ?? throw Unusable(masterName, "the host has no interface of this name");
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

        if (!master.IsUp)
        {
            throw Unusable(master.Name, "the interface is down");
        }

        var address = Addresses.List(host, master.Index)
                .Where(a => a.Scope < ScopeHost)
                .OrderBy(a => a.Secondary)
                .ThenBy(a => a.Scope != ScopeUniverse)
                .FirstOrDefault()
            ?? throw Unusable(master.Name, "the interface has no IPv4 address to share");

        var route = defaults.Find(r => r.OutputInterface == master.Index);
        return new HostFacts(master, address, route?.Gateway, route is not null, ReadEphemeralRange());
    }

    /// <summary>What a container takes over of it.</summary>
    public HostValues ToValues() => new()
    {
        Master = Master.Name,
        MasterIndex = Master.Index,
        Mac = Master.Mac.ToString(),
        Mtu = (int)Master.Mtu,
        Address = Address.Address.ToIPAddress(),
        PrefixLength = Address.PrefixLength,
        Gateway = Gateway?.ToIPAddress(),
    };

    /// <summary>What the host's loopback carries now: it changes with the first container and with the last one.</summary>
    /// <exception cref="CniException">104: there is no loopback.</exception>
    public static MacAddress ReadLoopbackMac(NetlinkConnection host) => ReadLoopback(host).Mac;

    /// <exception cref="CniException">104: there is no loopback.</exception>
    public static Link ReadLoopback(NetlinkConnection host) =>
        Links.Find(host, FilterPlaces.Loopback) ?? throw new CniException(CniErrorCode.KernelFeatureMissing, "the host has no loopback interface");

    /// <summary>A container's limits on this host.</summary>
    /// <exception cref="CniException">7: a limit that follows from the link's speed, which nobody tells.</exception>
    public RateLimits ReadLimits(NetworkConfiguration configuration)
    {
        return configuration.Egress.IsLimited || configuration.Ingress.IsLimited
            ? RateLimits.From(configuration, LinkSettings.ReadSpeed(Master.Name) / 8, Processors.Online, Shaper.FrameSize((int)Master.Mtu))
            : new RateLimits(null, null, []);
    }

    private static PortRange ReadEphemeralRange()
    {
        const string Name = "net/ipv4/ip_local_port_range";
        var parts = (Sysctl.Read(Name) ?? "32768\t60999").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return new PortRange(ushort.Parse(parts[0], CultureInfo.InvariantCulture), ushort.Parse(parts[1], CultureInfo.InvariantCulture));
    }

    private static CniException Unusable(string name, string reason) =>
        new(CniErrorCode.InvalidNetworkConfig, $"master \"{name}\": {reason}");
}
