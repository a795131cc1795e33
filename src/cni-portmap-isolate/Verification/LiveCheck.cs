using System.Net;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Plugin.Attaching;

namespace CniIsolator.Plugin.Verification;

/// <summary>Compares everything that an attachment has in the kernel with its record: what CHECK does beside looking at the request.</summary>
internal static class LiveCheck
{
    /// <param name="differences">Where to note what differs.</param>
    /// <param name="session">The command's session.</param>
    /// <param name="attachment">The record.</param>
    /// <param name="container">Its namespace.</param>
    /// <param name="master">The host's interface that it should share; null for that of the default route.</param>
    /// <param name="address">The address that it should share; null for the one that it shares, as long as the host has it.</param>
    public static void Compare(
        DifferenceList differences, Session session, Attachment attachment, NetworkNamespace container, string? master, IPAddress? address)
    {
        var dump = new FilterDump(session.Host);
        if (MasterCheck.Read(differences, session.Host, attachment, master, address) is { } facts)
        {
            MasterCheck.Compare(differences, attachment, facts);
        }

        SharedCheck.Compare(differences, dump, attachment, session.Store.FindHost());
        HostCheck.Compare(differences, dump, attachment);
        container.Run(() => ContainerCheck.Compare(differences, attachment));
    }
}
