using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Plugin.Attaching;
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
        if (MarkDeleting(session, key) is { } attachment)
        {
            Detachment.Remove(session, attachment, request.Netns);
            log.Information("{Attachment} gave back {Slice} and {Ports}", key, attachment.Slice, attachment.Claims);
        }
        else
        {
            Detachment.RemoveWithoutRecord(session, key, request.Netns);
        }
    }

    /// <summary>A DEL that is killed leaves a record that says so, and the next one finishes the work.</summary>
    private static Attachment? MarkDeleting(Session session, AttachmentKey key)
    {
        if (!Directory.Exists(session.Store.StateDir))
        {
            return null;
        }

        while (true)
        {
            // A change takes milliseconds, and would put back filters that we have just removed.
            if (!SpinWait.SpinUntil(() => session.Store.Find(key) is not { } changing || !Liveness.IsBeingChanged(changing), session.LockTimeout))
            {
                throw new CniException(
                    CniErrorCode.TryAgainLater,
                    $"{key} is being changed by process {session.Store.Find(key)?.CreatorPid}",
                    $"waited {session.LockTimeout.TotalSeconds:0.###} s for it; DEL again when it has ended");
            }

            using var store = session.Begin();
            if (store.Find(key) is not { } attachment)
            {
                return null;
            }

            if (Liveness.IsBeingChanged(attachment))
            {
                continue; // The next change has begun before we had the lock.
            }

            var deleter = ProcessIdentity.Current;
            attachment = attachment with
            {
                State = AttachmentState.Deleting,
                CreatorPid = deleter.Pid,
                CreatorStartTime = deleter.StartTime,
            };
            store.Write(attachment);
            return attachment;
        }
    }
}
