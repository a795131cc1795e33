using CniIsolator.DataPath;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

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
    private readonly bool _hadFilterQdisc;

    private ContainerSnapshot(List<Link> links, bool hadFilterQdisc, List<(string Name, string Value)> sysctls)
    {
        Links = links;
        _hadFilterQdisc = hadFilterQdisc;
        _sysctls = sysctls;
    }

    public List<Link> Links { get; }

    public static ContainerSnapshot Take()
    {
        using var connection = NetlinkConnection.Open();
        return new ContainerSnapshot(
            Netlink.Route.Links.List(connection),
            Qdiscs.List(connection, FilterPlaces.Loopback).Exists(q => q.HoldsIngressFilters),
            [.. from name in Names let value = Sysctl.Read(name) where value is not null select (name, value)]);
    }

    /// <summary>What puts the namespace back, in order: the filters of an attachment go, then loopback and sysctls are as before.</summary>
    public List<Action> Restoration => [() => ContainerSide.Remove(_hadFilterQdisc), RestoreLoopback, .. _sysctls.ConvertAll<Action>(s => () => Restore(s.Name, s.Value))];

    private void RestoreLoopback()
    {
        if (Links.Find(l => l.Index == FilterPlaces.Loopback) is not { } loopback)
        {
            return;
        }

        using var connection = NetlinkConnection.Open();
        var batch = new NetlinkBatch(256);
        Netlink.Route.Links.Restore(
            batch, loopback.Index, loopback.Mac.IsZero ? null : loopback.Mac, loopback.Mtu, loopback.IsUp, "put back the container's loopback");
        connection.ExecuteOrThrow(batch);
    }

    private static void Restore(string name, string value)
    {
        if (Sysctl.Read(name) != value)
        {
            Sysctl.Write(name, value);
        }
    }
}
