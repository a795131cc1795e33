using CniIsolator.Cni;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.Attaching;

namespace CniIsolator.Plugin.Repairing;

/// <summary>Puts the container's side of an attachment right. Everything here runs on a thread inside the container's namespace.</summary>
internal static class ContainerRepair
{
    private const string Operation = "put back the container's filters";

    /// <summary>Makes the veth again, whose deletion took both ends, with the indexes that the record has.</summary>
    /// <exception cref="NetlinkException">The kernel refused, for instance as an index is another interface's by now.</exception>
    public static void MakeVeth(Attachment target, int hostNamespace)
    {
        using var connection = NetlinkConnection.Open();
        SwitchOffIPv6("all");
        SwitchOffIPv6("default");
        var batch = new NetlinkBatch(1024);
        var path = AttachmentPath.Of(target);
        Links.CreateVeth(
            batch, new VethEnd(target.Key.IfName, path.ContainerEnd), new VethEnd(target.HostInterface, path.HostEnd), hostNamespace, path.Mac, (uint)target.Host.Mtu);
        connection.ExecuteOrThrow(batch);
    }

    /// <param name="target">What the container is to have.</param>
    /// <param name="former">What it may have instead: addresses of these go.</param>
    /// <param name="interrupted">An egress limit that an update was about to set when it died.</param>
    /// <returns>Whether packets wait in a plain queue behind the limit.</returns>
    /// <exception cref="CniException">106: its interface is not there.</exception>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public static bool Mend(Attachment target, IReadOnlyList<HostValues> former, RateLimit? interrupted)
    {
        using var connection = NetlinkConnection.Open();
        var path = AttachmentPath.Of(target);
        if (Links.Find(connection, target.Key.IfName) is not { } link || link.Index != path.ContainerEnd)
        {
            throw new CniException(
                CniErrorCode.CheckFailed,
                $"interface {target.Key.IfName} of {target.Key} has gone from its namespace, or another is in its place",
                "start the container anew");
        }

        foreach (var device in (string[])["all", "default", "lo", target.Key.IfName])
        {
            SwitchOffIPv6(device);
        }

        var batch = new NetlinkBatch();
        Links.SetUp(batch, FilterPlaces.Loopback, "set up the container's loopback", path.Mac, (uint)target.Host.Mtu);
        Links.SetUp(batch, link.Index, $"set up {link.Name}", path.Mac, (uint)target.Host.Mtu);
        connection.ExecuteOrThrow(batch);
        MendAddress(connection, target, path, former);
        MendRoute(connection, target, link.Index, former);

        var qdiscs = new NetlinkBatch(256);
        Qdiscs.AddClsact(qdiscs, FilterPlaces.Loopback, "add clsact to the container's loopback", Errno.Exists);
        Qdiscs.AddClsact(qdiscs, link.Index, $"add clsact to {link.Name}", Errno.Exists);
        connection.ExecuteOrThrow(qdiscs);
        FilterRepair.Converge(connection, ContainerSide.Filters(path), _ => true, Operation);
        foreach (var (name, value) in ContainerSide.Sysctls(target))
        {
            HostRepair.Set(name, value);
        }

        if (target.Features.FinishesChecksums && LinkSettings.LeavesChecksums(link.Name))
        {
            LinkSettings.SwitchOffTransmitChecksums(link.Name);
        }

        return LimitRepair.Mend(connection, link.Index, link.Name, target.Limits.Egress, interrupted, target);
    }

    /// <summary>Addresses that others have given to the interface stay.</summary>
    private static void MendAddress(NetlinkConnection connection, Attachment target, AttachmentPath path, IReadOnlyList<HostValues> former)
    {
        var found = Addresses.List(connection, path.ContainerEnd);
        var batch = new NetlinkBatch();
        foreach (var other in former)
        {
            if (!other.Address.Equals(target.Host.Address) || other.PrefixLength != target.Host.PrefixLength)
            {
                var address = InternetAddress.From(other.Address);
                Addresses.Delete(batch, path.ContainerEnd, address, (byte)other.PrefixLength);
                found.RemoveAll(a => a.Address == address && a.PrefixLength == other.PrefixLength);
            }
        }

        if (!found.Exists(a => a.Address == path.Address && a.PrefixLength == target.Host.PrefixLength))
        {
            Addresses.Add(batch, path.ContainerEnd, path.Address, (byte)target.Host.PrefixLength);
        }

        if (batch.Count > 0)
        {
            connection.ExecuteOrThrow(batch);
        }
    }

    /// <summary>The route of the interface that has our metric is ours; others were made by somebody else.</summary>
    private static void MendRoute(NetlinkConnection connection, Attachment target, int index, IReadOnlyList<HostValues> former)
    {
        var batch = new NetlinkBatch(512);
        var found = Routes.ListDefaults(connection).FindAll(r => r.OutputInterface == index);
        foreach (var route in found.FindAll(r => !Equals(r.Gateway?.ToIPAddress(), target.Host.Gateway)))
        {
            if (former.Any(f => Equals(f.Gateway, route.Gateway?.ToIPAddress())) || (target.Host.Gateway is not null && route.Priority == 0))
            {
                Routes.DeleteDefault(batch, route);
            }
        }

        if (target.Host.Gateway is { } gateway && !found.Exists(r => r.Gateway == InternetAddress.From(gateway)))
        {
            Routes.AddDefault(batch, index, InternetAddress.From(gateway));
        }

        if (batch.Count > 0)
        {
            connection.ExecuteOrThrow(batch);
        }
    }

    private static void SwitchOffIPv6(string device)
    {
        foreach (var (name, value) in ContainerSide.IPv6Sysctls(device))
        {
            HostRepair.Set(name, value);
        }
    }
}
