using System.Globalization;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Plugin.Attaching;

/// <summary>
/// The container's side of an attachment. Everything here runs on a thread inside the container's namespace.
/// </summary>
internal static class ContainerSide
{
    // What the kernel gives the loopback of a new namespace.
    private const uint DefaultLoopbackMtu = 65536;

    private const int NoLeaf = -1;

    /// <summary>
    /// Makes the veth pair, its far end directly in the host's namespace, and sets up everything in the container in one
    /// batch: devices, address, default route, the gateway's neighbour entry, filters, the limit; then the sysctls.
    /// </summary>
    /// <returns>Whether packets wait in a plain queue, as the kernel has no fq_codel.</returns>
    /// <exception cref="NetlinkException">The kernel refused; whatever was made is still there.</exception>
    /// <exception cref="LinuxException">A sysctl cannot be written.</exception>
    public static bool Build(Attachment attachment, AttachmentPath path, int hostNamespace, MacAddress? gatewayMac)
    {
        // Before there is an interface that could get a link-local address or believe a router advertisement.
        SwitchOffIPv6("all");
        SwitchOffIPv6("default");

        using var connection = NetlinkConnection.Open();
        var batch = Compose(attachment, path, hostNamespace, gatewayMac, out var leaf);
        var failures = Shaper.WithoutLeaf(connection.Execute(batch), leaf, out var plainQueue);
        if (failures.Count > 0)
        {
            throw failures[0].ToException();
        }

        SwitchOffIPv6("lo");
        SwitchOffIPv6(attachment.Key.IfName);
        foreach (var (name, value) in Sysctls(attachment))
        {
            if (!Sysctl.Write(name, value))
            {
                throw new LinuxException($"write sysctl {name}", Errno.NoEntry);
            }
        }

        if (attachment.Features.FinishesChecksums)
        {
            LinkSettings.SwitchOffTransmitChecksums(attachment.Key.IfName);
        }

        return plainQueue;
    }

    /// <summary>IPv4 settings of the container; all are read back by CHECK.</summary>
    public static IEnumerable<(string Name, string Value)> Sysctls(Attachment attachment)
    {
        // So that bind to port 0 and connect choose from the slice.
        yield return ("net/ipv4/ip_local_port_range", string.Create(CultureInfo.InvariantCulture, $"{attachment.Ports.Slice.Begin}\t{attachment.Ports.Slice.End}"));

        // Packets from the host and from other containers carry the container's own address as their source.
        yield return ($"net/ipv4/conf/{attachment.Key.IfName}/accept_local", "1");
        yield return ("net/ipv4/conf/lo/accept_local", "1");
        if (attachment.HostLoopback == HostLoopback.Allow)
        {
            yield return ("net/ipv4/conf/lo/route_localnet", "1");
        }
    }

    /// <summary>IPv6 settings of the container: the host has no IPv6 ports to share.</summary>
    public static IEnumerable<(string Name, string Value)> IPv6Sysctls(string device)
    {
        yield return ($"net/ipv6/conf/{device}/disable_ipv6", "1");
        yield return ($"net/ipv6/conf/{device}/accept_ra", "0");
    }

    /// <summary>
    /// Takes away what <see cref="Build"/> made, apart from the veth, which goes from the host's side. A namespace that
    /// lives on gets its loopback back as a new one has it, but for the MAC: the kernel takes no zeros.
    /// </summary>
    /// <param name="keepQdisc">Whether the qdisc was there before, and so stays even where it is empty.</param>
    public static void Remove(bool keepQdisc = false)
    {
        using var connection = NetlinkConnection.Open();
        var batch = new NetlinkBatch(1024);
        var ingress = U32Filters.ListPriorities(connection, FilterPlaces.Loopback, TcHandle.Ingress);
        if (!keepQdisc && HasOwnClsact(connection, ingress))
        {
            Qdiscs.DeleteClsact(batch, FilterPlaces.Loopback, "remove clsact from the container's loopback");
        }
        else if (ingress.Exists(p => p.Priority == FilterPlaces.InternetPriority))
        {
            U32Filters.DeletePriority(batch, FilterPlaces.Internet(FilterPlaces.Loopback), "remove the filters of the container's loopback");
        }

        Links.Restore(batch, FilterPlaces.Loopback, null, DefaultLoopbackMtu, up: true, "put back the container's loopback");
        connection.ExecuteOrThrow(batch);
    }

    /// <summary>All filters inside the container, to make and to compare with.</summary>
    public static IEnumerable<U32Filter> Filters(AttachmentPath path) =>
        ContainerFilters.OnLoopback(path).Concat(ContainerFilters.OnInterface(path));

    /// <summary>
    /// Whether there is a clsact that nobody else has filters in. An empty one counts: an ADD that died between the qdisc and its first filter
    /// has left it, and whoever else made it lost nothing by its going.
    /// </summary>
    private static bool HasOwnClsact(NetlinkConnection connection, List<(string Kind, ushort Priority, EthernetProtocol Protocol)> ingress) =>
        ingress.TrueForAll(p => p.Priority == FilterPlaces.InternetPriority)
        && Qdiscs.List(connection, FilterPlaces.Loopback).Exists(q => q.Kind == "clsact")
        && U32Filters.ListPriorities(connection, FilterPlaces.Loopback, TcHandle.Egress).Count == 0;

    private static NetlinkBatch Compose(
        Attachment attachment, AttachmentPath path, int hostNamespace, MacAddress? gatewayMac, out int leaf)
    {
        var batch = new NetlinkBatch();
        var mtu = (uint)attachment.Host.Mtu;
        Links.CreateVeth(
            batch,
            new VethEnd(attachment.Key.IfName, path.ContainerEnd),
            new VethEnd(attachment.HostInterface, path.HostEnd),
            hostNamespace,
            path.Mac,
            mtu);

        // The loopback's MTU is the master's: a segment made for a larger one could not leave by the veth.
        Links.SetUp(batch, FilterPlaces.Loopback, "set up the container's loopback", path.Mac, mtu);
        Links.SetUp(batch, path.ContainerEnd, $"set up {attachment.Key.IfName}");
        Addresses.Add(batch, path.ContainerEnd, path.Address, (byte)attachment.Host.PrefixLength);
        if (attachment.Host.Gateway is { } gateway)
        {
            var address = InternetAddress.From(gateway);
            Routes.AddDefault(batch, path.ContainerEnd, address);
            if (gatewayMac is { } mac)
            {
                Neighbours.AddStale(batch, path.ContainerEnd, address, mac);
            }
        }

        Qdiscs.AddClsact(batch, FilterPlaces.Loopback, "add clsact to the container's loopback", Errno.Exists);
        Qdiscs.AddClsact(batch, path.ContainerEnd, $"add clsact to {attachment.Key.IfName}");
        foreach (var filter in Filters(path))
        {
            U32Filters.Add(batch, filter, "add the container's filters");
        }

        leaf = attachment.Limits.Egress is { } limit
            ? Shaper.Add(batch, path.ContainerEnd, limit, attachment.Host.Mtu, attachment.Key.IfName)
            : NoLeaf;
        return batch;
    }

    private static void SwitchOffIPv6(string device)
    {
        foreach (var (name, value) in IPv6Sysctls(device))
        {
            // A kernel without IPv6 has no such names.
            Sysctl.Write(name, value);
        }
    }
}
