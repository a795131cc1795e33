using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Plugin.Verification;

/// <summary>Compares one end of an attachment's veth with the kernel.</summary>
internal static class LinkCheck
{
    public static void Compare(DifferenceList differences, Link link, Attachment attachment, int index)
    {
        differences.Compare($"kind of {link.Name}", "veth", link.Kind);
        differences.Compare($"index of {link.Name}", index, link.Index);
        differences.Compare($"MAC of {link.Name}", attachment.Host.Mac, link.Mac.ToString());
        differences.Compare($"MTU of {link.Name}", (uint)attachment.Host.Mtu, link.Mtu);
        differences.Compare($"state of {link.Name}", "up", link.IsUp ? "up" : "down");
    }
}
