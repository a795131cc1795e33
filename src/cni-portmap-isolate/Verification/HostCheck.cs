using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.Attaching;

namespace CniIsolator.Plugin.Verification;

/// <summary>Compares the host's side of an attachment with the kernel: its end of the veth, and its entries in the shared tables.</summary>
internal static class HostCheck
{
    public static void Compare(DifferenceList differences, FilterDump dump, Attachment attachment)
    {
        var host = dump.Connection;
        var path = AttachmentPath.Of(attachment);
        if (Links.Find(host, attachment.HostInterface) is not { } link)
        {
            differences.Add($"link {attachment.HostInterface}", "a veth", "none");
        }
        else
        {
            LinkCheck.Compare(differences, link, attachment, path.HostEnd);
            CompareSysctls(differences, HostSide.Sysctls(attachment.HostInterface), "host");
            FilterCheck.Compare(differences, dump, SourcePolicing.OnHostEnd(path), _ => attachment.HostInterface, exactly: true);
            if (attachment.Features.GuardsChecksums && !HostSide.HasGuard(host, link.Index))
            {
                differences.Add($"first filter on {attachment.HostInterface}", $"bpf at priority {FilterPlaces.GuardPriority}, which looks at checksums", "none");
            }

            if (attachment.Features.DropsUnmatched && !HostSide.HasDrop(host, link.Index))
            {
                differences.Add($"last filter on {attachment.HostInterface}", $"bpf at priority {FilterPlaces.DropPriority}, which drops", "none");
            }

            CompareOtherPriorities(differences, host, link);
            if (attachment.Limits.Ingress is { } limit)
            {
                ShaperCheck.Compare(differences, host, Qdiscs.List(host, link.Index), link.Index, link.Name, limit, attachment);
            }
        }

        FilterCheck.Compare(differences, dump, HostSide.Entries(path), SharedCheck.DeviceName(attachment), exactly: false);
    }

    /// <summary>Sysctls, with the place they are in for the text.</summary>
    public static void CompareSysctls(DifferenceList differences, IEnumerable<(string Name, string Value)> expected, string place)
    {
        foreach (var (name, value) in expected)
        {
            if (Sysctl.Read(name) is { } found)
            {
                differences.Compare($"{place} sysctl {name}", value, found);
            }
        }
    }

    /// <summary>Whether a priority of a host end is one of ours.</summary>
    public static bool IsOurs(ushort priority) =>
        priority is FilterPlaces.GuardPriority or FilterPlaces.ArpPriority or FilterPlaces.InternetPriority or FilterPlaces.DropPriority;

    /// <summary>A filter before the policing ones would let the container send whatever it likes.</summary>
    private static void CompareOtherPriorities(DifferenceList differences, NetlinkConnection host, Link link)
    {
        foreach (var (kind, priority, _) in U32Filters.ListPriorities(host, link.Index, TcHandle.Ingress))
        {
            if (!IsOurs(priority))
            {
                differences.Add($"filters of priority {priority} on {link.Name}", "none", kind);
            }
        }
    }
}
