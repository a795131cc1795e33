using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.Attaching;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Verification;

/// <summary>Compares the host's side of an attachment with the kernel.</summary>
internal static class HostCheck
{
    public static void Compare(DifferenceList differences, NetlinkConnection host, Attachment attachment, HostFacts? facts, HostRecord? note)
    {
        var path = AttachmentPath.Of(attachment);
        if (facts is not null)
        {
            CompareMaster(differences, attachment, facts);
        }

        differences.Compare("MAC of the host's lo", attachment.Mac, HostFacts.ReadLoopbackMac(host).ToString());
        CompareSysctls(differences, SharedSysctls(attachment), "host");
        if (Links.Find(host, attachment.HostInterface) is not { } link)
        {
            differences.Add($"link {attachment.HostInterface}", "a veth", "none");
        }
        else
        {
            LinkCheck.Compare(differences, link, attachment, path.HostEnd);
            CompareSysctls(differences, HostSide.Sysctls(attachment.HostInterface), "host");
            FilterCheck.Compare(differences, host, SourcePolicing.OnHostEnd(path), _ => attachment.HostInterface, exactly: true);
            if (attachment.DropsUnmatched && !HostSide.HasDrop(host, link.Index))
            {
                differences.Add($"last filter on {attachment.HostInterface}", $"bpf at priority {FilterPlaces.DropPriority}, which drops", "none");
            }
            CompareOtherPriorities(differences, host, link);
            if (attachment.Ingress is { } limit)
            {
                ShaperCheck.Compare(differences, host, Qdiscs.List(host, link.Index), link.Index, link.Name, limit, attachment);
            }
        }

        var shared = SharedHostState.All(attachment.MasterIfIndex, path.Address).Concat(HostSide.Entries(path));
        if (attachment.Flow != 0)
        {
            CompareFlows(differences, host, attachment, note);
            shared = shared.Concat(UniqueFlows.Shared(attachment.MasterIfIndex, path.Address));
        }

        FilterCheck.Compare(
            differences, host, shared, index => index == FilterPlaces.Loopback ? "lo" : attachment.Master, exactly: false);
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

    /// <summary>A filter before the policing ones would let the container send whatever it likes.</summary>
    private static void CompareOtherPriorities(DifferenceList differences, NetlinkConnection host, Link link)
    {
        foreach (var (kind, priority, _) in U32Filters.ListPriorities(host, link.Index, TcHandle.Ingress))
        {
            if (priority is not (FilterPlaces.ArpPriority or FilterPlaces.InternetPriority or FilterPlaces.DropPriority))
            {
                differences.Add($"filters of priority {priority} on {link.Name}", "none", kind);
            }
        }
    }

    private static void CompareFlows(DifferenceList differences, NetlinkConnection host, Attachment attachment, HostRecord? note)
    {
        var parent = note?.FlowParent is { } text && FlowClassifierParent.TryParse(text, out var noted) ? noted : FlowClassifierParent.Root;
        var found = Qdiscs.Find(host, attachment.MasterIfIndex, parent.Handle);
        if (found is not { Handle: UniqueFlows.Qdisc, FqCodel: not null })
        {
            differences.Add(
                $"qdisc of {attachment.Master} at {parent}",
                $"fq_codel {TcHandle.Format(UniqueFlows.Qdisc)}",
                found is null || found.IsDefault ? "none" : $"{found.Kind} {TcHandle.Format(found.Handle)}");
        }
    }

    private static IEnumerable<(string Name, string Value)> SharedSysctls(Attachment attachment)
    {
        yield return (SharedHostState.AcceptLocal, "1");
        if (attachment.HostLoopback == HostLoopback.Allow)
        {
            yield return (SharedHostState.RouteLocalnet, "1");
        }
    }

    private static void CompareMaster(DifferenceList differences, Attachment attachment, HostFacts facts)
    {
        differences.Compare("master", attachment.Master, facts.Master.Name);
        differences.Compare($"index of {attachment.Master}", attachment.MasterIfIndex, facts.Master.Index);
        differences.Compare($"MAC of {attachment.Master}", attachment.Mac, facts.Master.Mac.ToString());
        differences.Compare($"MTU of {attachment.Master}", (uint)attachment.Mtu, facts.Master.Mtu);
        differences.Compare($"address of {attachment.Master}", $"{attachment.Address}/{attachment.PrefixLength}", facts.Address.ToString());
        differences.Compare("gateway of the host", attachment.Gateway, facts.Gateway?.ToString());
    }
}
