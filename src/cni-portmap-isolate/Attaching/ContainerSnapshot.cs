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

    /// <summary>Removes the filters of an attachment, and puts loopback and sysctls back.</summary>
    public void Restore()
    {
        ContainerSide.Remove();
        if (Links.Find(l => l.Index == FilterPlaces.Loopback) is { } loopback)
        {
            using var connection = NetlinkConnection.Open();
            var batch = new NetlinkBatch(256);
            if (!_hadFilterQdisc && !HasFilters(connection))
            {
                // Where not even the first filter could be made, nothing else tells that it is ours.
                Qdiscs.DeleteClsact(batch, FilterPlaces.Loopback, "remove clsact from the container's loopback");
            }

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

    private static bool HasFilters(NetlinkConnection connection) =>
        ((uint[])[TcHandle.Ingress, TcHandle.Egress]).Any(hook => U32Filters.ListPriorities(connection, FilterPlaces.Loopback, hook).Count > 0);
}
