using CniIsolator.Cni;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Netlink;
using CniIsolator.Plugin.Attaching;

namespace CniIsolator.Plugin.Verification;

/// <summary>Compares what an attachment took over from the host with what the host has now.</summary>
internal static class MasterCheck
{
    /// <summary>The host as it is now, or null: a master that cannot be shared any more is a difference like any other.</summary>
    public static HostFacts? Read(DifferenceList differences, NetlinkConnection host, Attachment attachment, string? master)
    {
        try
        {
            return HostFacts.Read(host, master);
        }
        catch (CniException e)
        {
            differences.Add("master", $"{attachment.Host.Master} with address {attachment.Host.Address}", e.Message);
            return null;
        }
    }

    public static void Compare(DifferenceList differences, Attachment attachment, HostFacts facts)
    {
        var known = attachment.Host;
        differences.Compare("master", known.Master, facts.Master.Name);
        differences.Compare($"index of {known.Master}", known.MasterIndex, facts.Master.Index);
        differences.Compare($"MAC of {known.Master}", known.Mac, facts.Master.Mac.ToString());
        differences.Compare($"MTU of {known.Master}", (uint)known.Mtu, facts.Master.Mtu);
        differences.Compare($"address of {known.Master}", $"{known.Address}/{known.PrefixLength}", facts.Address.ToString());
        differences.Compare("gateway of the host", known.Gateway?.ToString(), facts.Gateway?.ToString());
    }
}
