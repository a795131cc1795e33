using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState;

/// <summary>A container's namespace before an ADD. Used on a thread inside it.</summary>
/// <param name="Links">Its interfaces.</param>
/// <param name="Before">What has to be put back when the attachment goes, or fails.</param>
public sealed record ContainerSnapshot(IReadOnlyList<Link> Links, ContainerBefore Before)
{
    // Those that outlive the container's interface.
    private static readonly string[] Names =
    [
        "net/ipv4/ip_local_port_range",
        "net/ipv4/conf/lo/accept_local",
        "net/ipv4/conf/lo/route_localnet",
        .. ((string[])["all", "default", "lo"]).SelectMany(device => (string[])[$"net/ipv6/conf/{device}/disable_ipv6", $"net/ipv6/conf/{device}/accept_ra"]),
    ];

    /// <exception cref="IOException">The kernel does not say.</exception>
    public static ContainerSnapshot Take()
    {
        using var connection = NetlinkConnection.Open();
        var links = Netlink.Route.Links.List(connection);
        var loopback = links.Find(l => l.Index == Hooks.Loopback);
        return new ContainerSnapshot(links, new ContainerBefore
        {
            Sysctls = new OrderedDictionary<string, string>(
                from name in Names let value = Sysctl.Read(name) where value is not null select KeyValuePair.Create(name, value)),
            HasFilterQdisc = Qdiscs.List(connection, Hooks.Loopback).Exists(q => q.HoldsIngressFilters),
            LoopbackMac = loopback is null || loopback.Mac.IsZero ? null : loopback.Mac.ToString(),
            LoopbackMtu = loopback?.Mtu ?? 0,
            IsLoopbackUp = loopback?.IsUp ?? false,
            HasDefaultRoute = Routes.ListDefaults(connection).Count > 0,

            // Some modules put an interface of their own into every namespace, which is down.
            HasOthers = links.Exists(l => !l.IsLoopback && l.IsUp),
        });
    }
}

/// <summary>
/// Puts a container's namespace back as it was before its ADD, apart from the veth, which goes from the host's side. Used on a thread inside it.
/// </summary>
public static class ContainerRestoration
{
    // What the kernel gives the loopback of a new namespace.
    private const uint DefaultLoopbackMtu = 65536;

    /// <summary>The steps, in order, each to be tried whatever becomes of the others.</summary>
    /// <param name="before">What it was like; null where nobody knows: then its loopback is made as a new namespace has it.</param>
    public static List<Action> Steps(ContainerBefore? before) =>
    [
        () => RemoveFilters(before is { HasFilterQdisc: true }),
        () => RestoreLoopback(before),
        .. before?.Sysctls.Select<KeyValuePair<string, string>, Action>(s => () => Restore(s.Key, s.Value)) ?? [],
    ];

    /// <summary>Takes the filters off the loopback, and what they hang on where nobody else needs it.</summary>
    private static void RemoveFilters(bool keepQdisc)
    {
        using var connection = NetlinkConnection.Open();
        var batch = new NetlinkBatch(1024);
        var ingress = U32Filters.ListPriorities(connection, Hooks.Loopback, TcHandle.Ingress);
        if (!keepQdisc && HasOwnClsact(connection, ingress))
        {
            Qdiscs.DeleteClsact(batch, Hooks.Loopback, "remove clsact from the container's loopback");
        }
        else if (ingress.Exists(p => p.Priority == Hooks.InternetPriority))
        {
            U32Filters.DeletePriority(batch, Hooks.Internet(Hooks.Loopback), "remove the filters of the container's loopback");
        }

        connection.ExecuteOrThrow(batch);
    }

    /// <summary>
    /// Whether there is a clsact that nobody else has filters in. An empty one counts: an ADD that died between the qdisc and its first filter
    /// has left it, and whoever else made it lost nothing by its going.
    /// </summary>
    private static bool HasOwnClsact(NetlinkConnection connection, List<(string Kind, ushort Priority, EthernetProtocol Protocol)> ingress) =>
        ingress.TrueForAll(p => p.Priority == Hooks.InternetPriority)
        && Qdiscs.List(connection, Hooks.Loopback).Exists(q => q.Kind == "clsact")
        && U32Filters.ListPriorities(connection, Hooks.Loopback, TcHandle.Egress).Count == 0;

    private static void RestoreLoopback(ContainerBefore? before)
    {
        using var connection = NetlinkConnection.Open();
        var batch = new NetlinkBatch(256);
        Links.Restore(
            batch,
            Hooks.Loopback,
            before?.LoopbackMac is { } mac ? MacAddress.Parse(mac) : null, // The kernel takes no zeros.
            before is null || before.LoopbackMtu == 0 ? DefaultLoopbackMtu : (uint)before.LoopbackMtu,
            up: before is null || before.IsLoopbackUp,
            "put back the container's loopback");
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
