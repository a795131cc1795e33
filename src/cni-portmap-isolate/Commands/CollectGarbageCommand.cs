using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Lifecycle;
using CniIsolator.Plugin.Configuration;
using Serilog;

namespace CniIsolator.Plugin.Commands;

/// <summary>
/// GC: removes this network's attachments that the runtime does not list. One whose container still lives stays, unless the configuration has
/// "gcForce": two runtimes may share a network, and each lists only its own. Without a list nothing is known to be stale.
/// </summary>
internal static class CollectGarbageCommand
{
    public static void Run(CniRequest request, ILogger log)
    {
        var configuration = NetworkConfiguration.ForRemoval(request);
        var force = GeneralKeys.ReadGcForce(request.Config.Top);
        var valid = request.Config.ReadValidAttachments();
        if (valid is null)
        {
            log.Information("no list of valid attachments was given; nothing is collected");
            return;
        }

        using var session = new Session(configuration.StateDir);
        var content = session.Store.ReadAll();
        var listed = valid.Select(a => new AttachmentKey(request.Config.Name, a.ContainerId, a.IfName)).ToHashSet();
        var stale = content.Attachments.Where(a => a.Key.Network == request.Config.Name && !listed.Contains(a.Key)).ToList();
        var faults = new List<Uncollected>();
        foreach (var (attachment, fault) in new Collector(session).Collect(stale.FindAll(a => MayGo(session, a, force, log))))
        {
            if (fault is null)
            {
                log.Information("collected {Attachment}: {Slice} and {Ports}", attachment.Key, attachment.Ports.Slice, attachment.OwnedClaims);
            }
            else
            {
                log.Error(fault, "{Attachment} could not be collected", attachment.Key);
                faults.Add(new Uncollected(attachment.Key, fault));
            }
        }

        foreach (var record in content.Unreadable.Where(u => !listed.Any(k => k.HostInterface == u.HostInterface)))
        {
            CollectUnreadable(session, request.Config.Name, record, force, log, faults);
        }

        SpentLog.Write(session, log);

        if (faults.Count > 0)
        {
            // A store that is just busy is no reason for anyone to look into it.
            var code = faults.TrueForAll(f => ErrorCodes.Translate(f.Cause).Code == CniErrorCode.TryAgainLater) ? CniErrorCode.TryAgainLater : CniErrorCode.Internal;
            throw new CniException(code, "some attachments could not be collected", string.Join("; ", faults.Select(f => $"{f.Key}: {f.Cause.Message}")));
        }
    }

    private static bool MayGo(Session session, Attachment attachment, bool force, ILogger log)
    {
        // Not even by force: the other process would go on with what we take away.
        if (session.Conditions.IsBusy(attachment))
        {
            log.Warning(
                "{Attachment} is not listed as valid, but is being {Work:l} by process {Process}; it stays",
                attachment.Key,
                Conditions.DescribeWork(attachment),
                attachment.Process.Pid);
            return false;
        }

        if (force || session.Conditions.IsGone(attachment))
        {
            return true;
        }

        log.Warning(
            "{Attachment} is not listed as valid, but its container lives in {Netns}; it stays, as {Key} is not set",
            attachment.Key,
            attachment.Namespace.Path,
            ConfigurationKeys.GcForce);
        return false;
    }

    /// <summary>
    /// A record that cannot be read does not say of which network it is; its interface's alias may. While the interface is there, so is a
    /// container, for all that is known; without one, it is left for whoever looks at all networks at once.
    /// </summary>
    private static void CollectUnreadable(Session session, string network, UnreadableRecord record, bool force, ILogger log, List<Uncollected> faults)
    {
        if (!session.HasHostEnd(record.HostInterface, out var owner))
        {
            log.Warning("{Path} is unreadable, and its interface is gone; \"gc\" on the command line removes it", record.Path);
            return;
        }

        if (owner is not { } key || key.Network != network)
        {
            return;
        }

        if (!force)
        {
            log.Warning("{Attachment} is not listed as valid, but {Path} is unreadable and its interface lives; it stays", key, record.Path);
            return;
        }

        try
        {
            Detachment.RemoveWithoutRecord(session, key);
            log.Information("collected {Attachment}, whose record was unreadable", key);
        }
        catch (Exception e) when (Collector.IsFault(e))
        {
            log.Error(e, "{Attachment} could not be collected", key);
            faults.Add(new Uncollected(key, e));
        }
    }

    private sealed record Uncollected(AttachmentKey Key, Exception Cause);
}
