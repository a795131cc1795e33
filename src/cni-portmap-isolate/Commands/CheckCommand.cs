using CniIsolator.Cni;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Plugin.Attaching;
using CniIsolator.Plugin.Configuration;
using CniIsolator.Plugin.Verification;

namespace CniIsolator.Plugin.Commands;

/// <summary>CHECK: compares everything that ADD made with the kernel, and lists every difference.</summary>
internal static class CheckCommand
{
    public static void Run(CniRequest request)
    {
        var configuration = NetworkConfiguration.From(request);
        using var session = new Session(configuration.StateDir);
        var key = new AttachmentKey(request.Config.Name, request.ContainerId, request.IfName);
        using var container = ContainerNamespace.Open(request.Netns, session.Namespace);
        var differences = new DifferenceList();
        var attachment = session.Store.Find(key);
        if (attachment is null)
        {
            differences.Add("store", $"a record of {key}", "none");
        }
        else
        {
            RecordCheck.Compare(differences, attachment, configuration, request, container.Identity);
            HostCheck.Compare(
                differences, session.Host, attachment, ReadHost(differences, session, attachment, configuration), session.Store.FindHost());
            container.Run(() => ContainerCheck.Compare(differences, attachment));
        }

        if (differences.Count > 0)
        {
            throw new CniException(
                CniErrorCode.CheckFailed,
                $"CHECK found {differences.Count} {(differences.Count == 1 ? "difference" : "differences")} in {key}",
                differences.ToString());
        }
    }

    /// <summary>A master that cannot be shared any more is a difference like any other.</summary>
    private static HostFacts? ReadHost(DifferenceList differences, Session session, Attachment attachment, NetworkConfiguration configuration)
    {
        try
        {
            return HostFacts.Read(session.Host, configuration.Master);
        }
        catch (CniException e)
        {
            differences.Add("master", $"{attachment.Master} with address {attachment.Address}", e.Message);
            return null;
        }
    }
}
