using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Plugin.Attaching;

/// <summary>Tells attachments whose container still has its interface from those that nobody took down.</summary>
internal sealed class Liveness(NetlinkConnection host, string bootId, string hostNetns)
{
    // The kernel takes a namespace down in the background, some 50 to 80 ms after its last user.
    private static readonly TimeSpan TeardownTime = TimeSpan.FromSeconds(1);

    // Read once, and only when an attachment has lost its path and not its interface: a process enters no namespace that nobody can name.
    private HashSet<NamespaceIdentity>? _inhabited;

    /// <summary>Whether a record stands for something that is, or that a living process is about to make or take down.</summary>
    public bool IsAlive(Attachment attachment)
    {
        if (attachment.MadeOn.BootId != bootId)
        {
            return false;
        }

        if (attachment.State != AttachmentState.Ready)
        {
            return attachment.Process.IsAlive();
        }

        if (IsBeingChanged(attachment))
        {
            return true;
        }

        return attachment.MadeOn.Netns == hostNetns
            ? Links.Find(host, attachment.HostInterface) is not null
            : IsNamespaceAlive(attachment);
    }

    /// <summary>
    /// The same, but waits for a namespace that is just being taken down: its path is gone, and the kernel removes the
    /// interface soon. One without a path may also live on through its processes; then the interface stays. What neither a process is in nor a mount
    /// leads to is kept by a descriptor alone, such as that of somebody who reads statistics, and is nobody's.
    /// </summary>
    public bool IsAliveAfterTeardown(Attachment attachment)
    {
        if (!IsAlive(attachment))
        {
            return false;
        }

        if (attachment.State != AttachmentState.Ready || attachment.MadeOn.Netns != hostNetns || IsNamespaceAlive(attachment))
        {
            return true;
        }

        if (SpinWait.SpinUntil(() => Links.Find(host, attachment.HostInterface) is null, TeardownTime))
        {
            return false;
        }

        // Not everyone who starts this sees all processes, and then nobody may be called dead for being out of sight.
        return attachment.Rebuilt
            || !NamespaceCensus.SeesAllProcesses
            || NamespaceCensus.ReadUsed().Contains(attachment.Namespace.Identity);
    }

    /// <summary>
    /// Whether nothing that lives would lose its network with it, however it came to that: the ADD or DEL that died on the way, the earlier
    /// boot, the interface or the namespace that is gone. A namespace without a path lives as long as a process is in it; one that only a
    /// descriptor keeps is nobody's. Where a rebuilt record does not tell the namespace, the interface has to be gone.
    /// </summary>
    public bool IsGone(Attachment attachment)
    {
        if (attachment.MadeOn.BootId != bootId)
        {
            return true;
        }

        if (attachment.State != AttachmentState.Ready)
        {
            return !attachment.Process.IsAlive();
        }

        if (IsBeingChanged(attachment) || IsNamespaceAlive(attachment))
        {
            return false;
        }

        if (attachment.MadeOn.Netns == hostNetns && Links.Find(host, attachment.HostInterface) is null)
        {
            return true;
        }

        _inhabited ??= NamespaceCensus.ReadInhabited();
        return !attachment.Rebuilt && !_inhabited.Contains(attachment.Namespace.Identity);
    }

    /// <summary>Whether a process is just making it, changing it or taking it down.</summary>
    public bool IsBusy(Attachment attachment) =>
        attachment.MadeOn.BootId == bootId
        && (attachment.State != AttachmentState.Ready || attachment.Change is not null)
        && attachment.Process.IsAlive();

    /// <summary>What a process is doing to an attachment that is busy, as a participle.</summary>
    public static string DescribeWork(Attachment attachment) => attachment switch
    {
        { State: AttachmentState.Creating } => "created",
        { State: AttachmentState.Deleting } => "deleted",
        _ => "changed",
    };

    /// <summary>Whether a process is just changing it; one that died on the way does not count.</summary>
    public static bool IsBeingChanged(Attachment attachment) => attachment.Change is not null && attachment.Process.IsAlive();

    /// <summary>Whether the path still leads to the namespace that the attachment was made in.</summary>
    public bool IsNamespaceAlive(Attachment attachment) =>
        attachment.MadeOn.BootId == bootId
        && NetworkNamespace.TryIdentify(attachment.Namespace.Path) == attachment.Namespace.Identity;
}
