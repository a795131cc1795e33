using System.Globalization;
using CniIsolator.Ipam;
using CniIsolator.Lifecycle;

namespace CniIsolator.Plugin.Diagnosis;

/// <summary>The records: what cannot be read, what stands for nothing any more, and what was begun and not ended.</summary>
internal static class RecordsDiagnosis
{
    public static void Look(ExaminedHost host, FindingList findings)
    {
        foreach (var record in host.Content.Unreadable)
        {
            var (meaning, remedy) = Judge(record, host.Links.Any(l => l.Name == record.HostInterface));
            findings.Fault("store", $"{record.Path} is unreadable: {record.Reason}; {meaning}", remedy);
        }

        if (host.Content.UnreadableHost is { } unreadable)
        {
            findings.Fault(
                "store",
                $"{unreadable.Path} is unreadable: {unreadable.Reason}; what the host was like before the first container is not known",
                host.Running.Count > 0 ? host.Command("repair --all") : $"rm {unreadable.Path}");
        }

        foreach (var attachment in host.Content.Attachments)
        {
            LookAt(host, findings, attachment);
        }
    }

    private static (string Meaning, string Remedy) Judge(UnreadableRecord record, bool lives) => (lives, record.IsOfOlderVersion) switch
    {
        (false, _) => ("its interface is gone", $"rm {record.Path}"),
        (true, false) => ("its interface lives: the next ADD puts the record together again", "DEL the container, or start another one"),
        (true, true) => (
            "its interface lives, and every ADD fails until it is gone",
            "drain the host: DEL its containers, with the release that made them where it is at hand"),
    };

    private static void LookAt(ExaminedHost host, FindingList findings, Attachment attachment)
    {
        var subject = attachment.Key.ToString();
        if (attachment.MadeOn.BootId != host.Session.BootId)
        {
            findings.Warn(subject, "its record is of an earlier boot; its ports are given away when somebody needs them", host.Command("gc"));
        }
        else if (attachment.State != AttachmentState.Ready)
        {
            if (!attachment.Process.IsAlive())
            {
                var state = attachment.State.ToString().ToLowerInvariant();
                findings.Warn(
                    subject,
                    string.Create(CultureInfo.InvariantCulture, $"it is {state}, and process {attachment.Process.Pid}, which was at it, has died"),
                    host.Command("gc"));
            }
        }
        else if (attachment.Change is not null && !Conditions.IsBeingChanged(attachment))
        {
            findings.Fault(
                subject,
                $"{(attachment.Change.Host is null ? "an update" : "a repair")} was interrupted; "
                + "the container owns the ports of both sides until it is taken back or done again",
                host.Command($"repair {attachment.Key.ContainerId}"));
        }
        else if (host.Session.IsOnThisHost(attachment) && !attachment.Rebuilt && !host.Session.Conditions.HasNamespace(attachment))
        {
            findings.Warn(
                subject,
                $"{attachment.Namespace.Path} is gone or another namespace; if its container has ended, its ports are still held",
                host.Command("gc"));
        }
    }
}
