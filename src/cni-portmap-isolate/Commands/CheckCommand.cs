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
            LiveCheck.Compare(differences, session, attachment, container, configuration.Master, configuration.Address);
        }

        if (differences.Count > 0)
        {
            throw new CniException(
                CniErrorCode.CheckFailed,
                $"CHECK found {differences.Count} {(differences.Count == 1 ? "difference" : "differences")} in {key}",
                differences.ToString());
        }
    }
}
