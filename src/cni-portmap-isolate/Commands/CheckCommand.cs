using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Lifecycle;
using CniIsolator.Plugin.Configuration;

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
        if (session.Store.Find(key) is { } attachment)
        {
            RecordCheck.Compare(differences, attachment, configuration, request, container.Identity);
            differences.AddRange(new AttachmentCheck(session).Compare(attachment, container, configuration.Master, configuration.Address));
        }
        else
        {
            differences.Add("store", $"a record of {key}", "none");
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
