using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Plugin.DataPath;

namespace CniIsolator.Plugin.Attaching;

/// <summary>The container's namespace before an ADD, to be put back if the ADD fails. Used on a thread inside it.</summary>
internal sealed class ContainerSnapshot
{
    // Those that outlive the container's interface.
    private static readonly string[] Names =
    [
        "net/ipv4/ip_local_port_range",
        "net/ipv4/conf/lo/accept_local",
        "net/ipv4/conf/lo/route_localnet",
        .. ((string[])["all", "default", "lo"]).SelectMany(ContainerSide.IPv6Sysctls).Select(s => s.Name),
    ];

    private readonly List<(string Name, string Value)> _sysctls;

    private ContainerSnapshot(List<Link> links, List<(string Name, string Value)> sysctls)
    {
        Links = links;
        _sysctls = sysctls;
    }

    public List<Link> Links { get; }

    public static ContainerSnapshot Take()
    {
        using var connection = NetlinkConnection.Open();
        return new ContainerSnapshot(
            Netlink.Route.Links.List(connection),
            [.. from name in Names let value = Sysctl.Read(name) where value is not null select (name, value)]);
    }

    /// <summary>Removes the filters of an attachment, and puts loopback and sysctls back.</summary>
    public void Restore()
    {
        ContainerSide.Remove();
        if (Links.Find(l => l.Index == FilterPlaces.Loopback) is { } loopback)
        {
            using var connection = NetlinkConnection.Open();
            var batch = new NetlinkBatch(256);
            Netlink.Route.Links.Restore(
                batch, loopback.Index, loopback.Mac.IsZero ? null : loopback.Mac, loopback.Mtu, loopback.IsUp, "put back the container's loopback");
            connection.ExecuteOrThrow(batch);
        }

        foreach (var (name, value) in _sysctls)
        {
            if (Sysctl.Read(name) != value)
            {
                Sysctl.Write(name, value);
            }
        }
    }
}
