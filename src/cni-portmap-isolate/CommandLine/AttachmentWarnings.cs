using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.Attaching;

namespace CniIsolator.Plugin.CommandLine;

/// <summary>
/// What is wrong with attachments that an operator should see in a list: limits that are not in force, changes that were interrupted.
/// CHECK looks at everything; this only at what costs little for a whole host.
/// </summary>
internal sealed class AttachmentWarnings
{
    private readonly string _bootId = HostIdentity.BootId;
    private readonly string? _hostNetns;
    private readonly NetlinkConnection? _host;
    private readonly List<Qdisc> _qdiscs = [];

    private AttachmentWarnings()
    {
        try
        {
            using var own = NetworkNamespace.OpenCurrent();
            _host = NetlinkConnection.Open();
            _qdiscs = Qdiscs.List(_host, index: 0);
            _hostNetns = own.Identity.ToString();
        }
        catch (IOException)
        {
            // Not permitted: what the records say is still shown.
        }
    }

    /// <summary>The warnings of each of these attachments.</summary>
    public static Dictionary<AttachmentKey, List<string>> Collect(IReadOnlyList<Attachment> attachments)
    {
        var warnings = new AttachmentWarnings();
        try
        {
            var found = new Dictionary<AttachmentKey, List<string>>();
            foreach (var attachment in attachments)
            {
                found[attachment.Key] = warnings.Of(attachment);
            }

            return found;
        }
        finally
        {
            warnings._host?.Dispose();
        }
    }

    private List<string> Of(Attachment attachment)
    {
        var found = new List<string>();
        if (attachment.Features.PlainQueue)
        {
            found.Add($"the kernel lacks {FeatureProbe.FairQueue}: one plain queue behind the limit");
        }

        if (attachment.Change is not null && !Liveness.IsBeingChanged(attachment))
        {
            found.Add(attachment.Change.Host is null
                ? "an update was interrupted; the next one takes it back"
                : "a repair was interrupted; the next one ends it");
        }

        if (attachment.State == AttachmentState.Ready && attachment.MadeOn.BootId == _bootId && attachment.MadeOn.Netns == _hostNetns && attachment.Change is null)
        {
            found.AddRange(CompareLimits(attachment).All);
        }

        return found;
    }

    private DifferenceList CompareLimits(Attachment attachment)
    {
        var differences = new DifferenceList();
        var path = AttachmentPath.Of(attachment);
        try
        {
            if (attachment.Limits.Ingress is { } ingress)
            {
                ShaperCheck.Compare(differences, _host!, _qdiscs, path.HostEnd, attachment.HostInterface, ingress, attachment);
            }

            using var container = attachment.Limits.Egress is null ? null : RecordedNamespace.TryOpen(attachment, attachment.Namespace.Path);
            if (attachment.Limits.Egress is { } egress)
            {
                container?.Run(() =>
                {
                    using var connection = NetlinkConnection.Open();
                    ShaperCheck.Compare(
                        differences,
                        connection,
                        Qdiscs.List(connection, path.ContainerEnd),
                        path.ContainerEnd,
                        $"{attachment.Key.IfName} in the container",
                        egress,
                        attachment);
                });
            }
        }
        catch (IOException)
        {
            // The container has just gone, or may not be entered.
        }

        return differences;
    }
}
