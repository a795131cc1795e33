using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.Attaching;

namespace CniIsolator.Plugin.Verification;

/// <summary>Compares the container's side of an attachment with the kernel. Runs on a thread inside the namespace.</summary>
internal static class ContainerCheck
{
    public static void Compare(DifferenceList differences, Attachment attachment)
    {
        using var connection = NetlinkConnection.Open();
        var path = AttachmentPath.Of(attachment);
        if (Links.Find(connection, attachment.Key.IfName) is not { } link)
        {
            differences.Add($"link {attachment.Key.IfName} in the container", "a veth", "none");
        }
        else
        {
            LinkCheck.Compare(differences, link, attachment, path.ContainerEnd);
            CompareAddress(differences, connection, attachment, link);
            CompareRoute(differences, connection, attachment, link);
            if (attachment.Features.FinishesChecksums && LinkSettings.LeavesChecksums(link.Name))
            {
                differences.Add($"transmit checksums of {link.Name} in the container", "computed by the container (ethtool -K tx off)", "left to others");
            }

            if (attachment.Limits.Egress is { } limit)
            {
                ShaperCheck.Compare(
                    differences, connection, Qdiscs.List(connection, link.Index), link.Index, $"{link.Name} in the container", limit, attachment);
            }
        }

        if (Links.Find(connection, FilterPlaces.Loopback) is { } loopback)
        {
            differences.Compare("MAC of lo in the container", attachment.Host.Mac, loopback.Mac.ToString());
            differences.Compare("MTU of lo in the container", (uint)attachment.Host.Mtu, loopback.Mtu);
            differences.Compare("state of lo in the container", "up", loopback.IsUp ? "up" : "down");
        }

        HostCheck.CompareSysctls(
            differences,
            ContainerSide.Sysctls(attachment)
                .Concat(ContainerSide.IPv6Sysctls("all"))
                .Concat(ContainerSide.IPv6Sysctls("lo"))
                .Concat(ContainerSide.IPv6Sysctls(attachment.Key.IfName)),
            "container");
        FilterCheck.Compare(
            differences,
            new FilterDump(connection),
            ContainerSide.Filters(path),
            index => (index == FilterPlaces.Loopback ? "lo" : attachment.Key.IfName) + " in the container",
            exactly: true);
    }

    private static void CompareAddress(DifferenceList differences, NetlinkConnection connection, Attachment attachment, Link link)
    {
        var expected = $"{attachment.Host.Address}/{attachment.Host.PrefixLength}";
        var found = Addresses.List(connection, link.Index).Select(a => a.ToString()).ToList();
        if (!found.Contains(expected))
        {
            differences.Add($"address of {link.Name} in the container", expected, found.Count == 0 ? "none" : string.Join(", ", found));
        }
    }

    private static void CompareRoute(DifferenceList differences, NetlinkConnection connection, Attachment attachment, Link link)
    {
        if (attachment.Host.Gateway is null)
        {
            return;
        }

        // Plugins that come later in a chain may add routes of their own.
        var found = Routes.ListDefaults(connection);
        if (!found.Exists(r => r.OutputInterface == link.Index && r.Gateway?.ToString() == attachment.Host.Gateway.ToString()))
        {
            differences.Add(
                "default route in the container",
                $"via {attachment.Host.Gateway} dev {link.Name}",
                found.Count == 0 ? "none" : string.Join(", ", found.Select(r => $"via {r.Gateway} dev index {r.OutputInterface}")));
        }
    }
}
