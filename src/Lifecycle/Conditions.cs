using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Lifecycle;

/// <summary>How an attachment is, whatever its record says.</summary>
public enum AttachmentCondition
{
    /// <summary>A living process makes it, changes it or takes it down.</summary>
    Busy,

    /// <summary>Its namespace and its interface are there.</summary>
    Running,

    /// <summary>Its namespace is there, and its interface is not: the container has no network.</summary>
    Cut,

    /// <summary>No path leads to its namespace any more, but its interface is there: it may live on through its processes, or be ending just now.</summary>
    Pathless,

    /// <summary>Its interface is gone, and no path leads to its namespace.</summary>
    Gone,

    /// <summary>The process that made it or took it down has died on the way.</summary>
    Abandoned,

    /// <summary>It was made before the machine started.</summary>
    OfEarlierBoot,
}

/// <summary>Tells attachments whose container lives from those that nobody took down.</summary>
/// <param name="host">A connection into the host's namespace.</param>
/// <param name="self">This boot, and the host's namespace.</param>
public sealed class Conditions(NetlinkConnection host, HostReference self)
{
    // The kernel takes a namespace down in the background, some 50 to 80 ms after its last user.
    private static readonly TimeSpan TeardownTime = TimeSpan.FromSeconds(1);

    // Read once, and only when an attachment has lost its path and not its interface: a process enters no namespace that nobody can name.
    private HashSet<NamespaceIdentity>? _inhabited;

    public AttachmentCondition Of(Attachment attachment)
    {
        if (attachment.MadeOn.BootId != self.BootId)
        {
            return AttachmentCondition.OfEarlierBoot;
        }

        if (attachment.State != AttachmentState.Ready)
        {
            return attachment.Process.IsAlive() ? AttachmentCondition.Busy : AttachmentCondition.Abandoned;
        }

        if (IsBeingChanged(attachment))
        {
            return AttachmentCondition.Busy;
        }

        return (HasNamespace(attachment), HasInterface(attachment)) switch
        {
            (true, true) => AttachmentCondition.Running,
            (true, false) => AttachmentCondition.Cut,
            (false, true) => AttachmentCondition.Pathless,
            _ => AttachmentCondition.Gone,
        };
    }

    /// <summary>Whether it has what its ports are for: a living process at work on it, or its interface.</summary>
    public bool IsAlive(Attachment attachment) =>
        Of(attachment) is AttachmentCondition.Busy or AttachmentCondition.Running or AttachmentCondition.Pathless;

    /// <summary>
    /// The same, but waits for a namespace that is just being taken down: its path is gone, and the kernel removes the interface soon. One without a
    /// path may also live on through its processes; then the interface stays. What neither a process is in nor a mount leads to is kept by a
    /// descriptor alone, such as that of somebody who reads statistics, and is nobody's.
    /// </summary>
    public bool IsAliveAfterTeardown(Attachment attachment)
    {
        var condition = Of(attachment);
        if (condition is not AttachmentCondition.Pathless || attachment.MadeOn.Netns != self.Netns)
        {
            return condition is AttachmentCondition.Busy or AttachmentCondition.Running;
        }

        if (SpinWait.SpinUntil(() => !HasInterface(attachment), TeardownTime))
        {
            return false;
        }

        // Not everyone who starts this sees all processes, and then nobody may be called dead for being out of sight.
        return attachment.Rebuilt || !NamespaceUsage.SeesAllProcesses || NamespaceUsage.ReadUsed().Contains(attachment.Namespace.Identity);
    }

    /// <summary>
    /// Whether nothing that lives would lose its network with it, however it came to that. A namespace without a path lives as long as a process is in
    /// it; one that only a descriptor keeps is nobody's. Where a rebuilt record does not tell the namespace, the interface has to be gone.
    /// </summary>
    public bool IsGone(Attachment attachment)
    {
        switch (Of(attachment))
        {
            case AttachmentCondition.OfEarlierBoot or AttachmentCondition.Abandoned or AttachmentCondition.Gone:
                return true;
            case AttachmentCondition.Pathless:
                _inhabited ??= NamespaceUsage.ReadInhabited();
                return !attachment.Rebuilt && !_inhabited.Contains(attachment.Namespace.Identity);
            default:
                return false;
        }
    }

    /// <summary>Whether a process is just making it, changing it or taking it down.</summary>
    public bool IsBusy(Attachment attachment) =>
        attachment.MadeOn.BootId == self.BootId
        && (attachment.State != AttachmentState.Ready || attachment.Change is not null) && attachment.Process.IsAlive();

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
    public bool HasNamespace(Attachment attachment) =>
        attachment.MadeOn.BootId == self.BootId && NetworkNamespace.TryIdentify(attachment.Namespace.Path) == attachment.Namespace.Identity;

    /// <summary>Whether its interface is there. Of one of another host namespace nobody here knows; it is there as long as the container's namespace is.</summary>
    private bool HasInterface(Attachment attachment) =>
        attachment.MadeOn.Netns == self.Netns ? Links.Find(host, attachment.HostInterface) is not null : HasNamespace(attachment);
}
