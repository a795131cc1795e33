using System.Net;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Netlink;

namespace CniIsolator.Plugin.Verification;

/// <summary>Compares what an attachment took over from the host with what the host has now.</summary>
internal static class MasterCheck
{
    /// <summary>The host as it is now, or null: a master that cannot be shared any more is a difference like any other.</summary>
    public static HostConfiguration? Read(
        DifferenceList differences, NetlinkConnection host, Attachment attachment, string? master, IPAddress? address)
    {
        try
        {
            return HostConfiguration.Read(host, master, address, HostConfiguration.MostCommonFirst([attachment.Address]));
        }
        catch (IsolationException e)
        {
            differences.Add("master", $"{attachment.Master} with address {attachment.Address}", e.Message);
            return null;
        }
    }

    public static void Compare(DifferenceList differences, Attachment attachment, HostConfiguration facts)
    {
        differences.Compare("master", attachment.Master, facts.Master.Name);
        differences.Compare($"index of {attachment.Master}", attachment.MasterIfIndex, facts.Master.Index);
        differences.Compare($"MAC of {attachment.Master}", attachment.Mac, facts.Master.Mac.ToString());
        differences.Compare($"MTU of {attachment.Master}", (uint)attachment.Mtu, facts.Master.Mtu);
        differences.Compare($"address of {attachment.Master}", $"{attachment.Address}/{attachment.PrefixLength}", facts.Address.ToString());
        differences.Compare("gateway of the host", attachment.Gateway, facts.Gateway?.ToString());
    }
}
