using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.Attaching;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Verification;

/// <summary>Compares what an attachment shares with the host's other containers with the kernel.</summary>
internal static class SharedCheck
{
    public static void Compare(DifferenceList differences, FilterDump dump, Attachment attachment, HostRecord? note)
    {
        var host = dump.Connection;
        var path = AttachmentPath.Of(attachment);
        var loopback = HostConfiguration.ReadLoopback(host);
        differences.Compare("MAC of the host's lo", attachment.Mac, loopback.Mac.ToString());
        differences.Compare("state of the host's lo", "up", loopback.IsUp ? "up" : "down");
        HostCheck.CompareSysctls(differences, Sysctls(attachment), "host");
        var shared = SharedHostState.All(attachment.MasterIfIndex, path.Address);
        if (attachment.Flow != 0)
        {
            CompareFlows(differences, host, attachment, note);
            shared = shared.Concat(UniqueFlows.Shared(attachment.MasterIfIndex, path.Address));
        }

        FilterCheck.Compare(differences, dump, shared, DeviceName(attachment), exactly: false);
    }

    /// <summary>How texts call the devices that shared filters hang on.</summary>
    public static Func<int, string> DeviceName(Attachment attachment) => index => index == FilterPlaces.Loopback ? "lo" : attachment.Master;

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

    private static IEnumerable<(string Name, string Value)> Sysctls(Attachment attachment)
    {
        yield return (SharedHostState.AcceptLocal, "1");
        if (attachment.HostLoopback == HostLoopback.Allow)
        {
            yield return (SharedHostState.RouteLocalnet, "1");
        }
    }
}
