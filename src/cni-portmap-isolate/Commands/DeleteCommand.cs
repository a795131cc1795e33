using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Lifecycle;
using CniIsolator.Plugin.Configuration;
using Serilog;

namespace CniIsolator.Plugin.Commands;

/// <summary>
/// DEL: whatever is there of the attachment goes, whatever is missing is passed over. It needs neither the namespace
/// nor a configuration that would do for ADD.
/// </summary>
internal static class DeleteCommand
{
    public static void Run(CniRequest request, ILogger log)
    {
        var configuration = NetworkConfiguration.ForRemoval(request);
        using var session = new Session(configuration.StateDir);
        var key = new AttachmentKey(request.Config.Name, request.ContainerId, request.IfName);
        if (Detachment.Claim(session, key) is { } attachment)
        {
            Detachment.Remove(session, attachment, request.Netns);
            log.Information("{Attachment} gave back {Slice} and {Ports}", key, attachment.Ports.Slice, attachment.Ports.Claims);
        }
        else
        {
            Detachment.RemoveWithoutRecord(session, key, request.Netns);
        }

        SpentLog.Write(session, log);
    }
}
