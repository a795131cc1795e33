using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Plugin.Attaching;
using CniIsolator.Plugin.Configuration;
using Serilog;

namespace CniIsolator.Plugin.Commands;

/// <summary>
/// GC: removes this network's attachments that the runtime does not list. One whose namespace still lives stays: two
/// runtimes may share a network, and each lists only its own. Without a list nothing is known to be stale.
/// </summary>
internal static class CollectGarbageCommand
{
    public static void Run(CniRequest request, ILogger log)
    {
        var configuration = NetworkConfiguration.ForRemoval(request);
        var valid = request.Config.ReadValidAttachments();
        if (valid is null)
        {
            log.Information("no list of valid attachments was given; nothing is collected");
            return;
        }

        using var session = new Session(configuration.StateDir);
        var faults = new List<string>();
        foreach (var attachment in session.Store.ReadAll().Attachments.Where(a => a.Network == request.Config.Name))
        {
            if (valid.Contains(new CniAttachment(attachment.ContainerId, attachment.IfName)))
            {
                continue;
            }

            if (session.Liveness.IsNamespaceAlive(attachment)
                || (attachment.State == AttachmentState.Creating && session.Liveness.IsAlive(attachment)))
            {
                log.Warning("{Attachment} is not listed as valid, but its namespace {Netns} lives; it stays", attachment.Key, attachment.Netns);
                continue;
            }

            try
            {
                Detachment.Remove(session, attachment);
                log.Information("collected {Attachment}", attachment.Key);
            }
            catch (IOException e)
            {
                faults.Add($"{attachment.Key}: {e.Message}");
            }
        }

        if (faults.Count > 0)
        {
            throw new CniException(CniErrorCode.Internal, "some attachments could not be collected", string.Join("; ", faults));
        }
    }
}
