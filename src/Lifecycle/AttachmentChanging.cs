using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;
using CniIsolator.Netlink;

namespace CniIsolator.Lifecycle;

/// <summary>The kernel's side of an attachment with a change that has begun: carries it out, or takes it back.</summary>
internal sealed class AttachmentChanging : IDisposable
{
    private readonly Session _session;
    private readonly Attachment _attachment;
    private readonly AttachmentPlan _before;
    private readonly AttachmentPlan _after;
    private readonly NetworkNamespace? _container;
    private readonly bool _setsEgress;
    private readonly bool _setsIngress;

    /// <param name="session">The command's session.</param>
    /// <param name="attachment">The attachment, with its change.</param>
    /// <param name="request">What was asked for: a limit is set even where it stays the same, as somebody may have taken it off.</param>
    /// <param name="mayBeGone">Whether to do without the container where it cannot be entered.</param>
    /// <exception cref="IsolationException">The container has to be entered and cannot.</exception>
    public AttachmentChanging(Session session, Attachment attachment, UpdateRequest? request = null, bool mayBeGone = false)
    {
        _session = session;
        _attachment = attachment;
        var change = attachment.Change!;
        var path = AttachmentPath.Of(attachment);
        _before = AttachmentPlan.Of(attachment, path);
        _after = AttachmentPlan.Of(attachment with { Limits = change.Limits, Features = attachment.Features with { PlainQueue = false } }, After(attachment));
        _setsEgress = change.Limits.Egress != attachment.Limits.Egress || (request?.Egress is not null && change.Limits.Egress is not null);
        _setsIngress = change.Limits.Ingress != attachment.Limits.Ingress || (request?.Ingress is not null && change.Limits.Ingress is not null);
        if (ChangesPorts(attachment) || _setsEgress)
        {
            _container = RecordedNamespace.TryOpen(attachment, attachment.Namespace.Path) ?? (mayBeGone ? null : throw Unreachable(attachment));
        }
    }

    /// <summary>What the filters are computed from once the change is made. Other ports come with other handles.</summary>
    public static AttachmentPath After(Attachment attachment)
    {
        var path = AttachmentPath.Of(attachment);
        return ChangesPorts(attachment) ? path with { Claims = attachment.Change!.Claims, Generation = 1 - path.Generation } : path;
    }

    /// <summary>
    /// Makes the change. The order keeps every port that both sides have: a packet finds the old filters until the new ones are there.
    /// </summary>
    /// <returns>Whether packets wait in a plain queue behind a limit.</returns>
    /// <exception cref="IOException">The kernel refused; <see cref="Revert"/> is due.</exception>
    public bool Apply()
    {
        var plainQueue = _attachment.Features.PlainQueue;
        var (inside, hostEnd, entries) = Between(_before, _after);
        Inside(kernel =>
        {
            kernel.Apply(inside.Additions).OrThrow();
            if (_setsEgress)
            {
                plainQueue |= SetLimit(kernel, _before.Container, _after.Container);
            }
        });
        var host = _session.Kernel();
        host.Apply(hostEnd.Additions).OrThrow();
        AddEntries(host, entries);
        if (_setsIngress)
        {
            plainQueue |= SetLimit(host, _before.HostEnd, _after.HostEnd);
        }

        host.Apply(entries.Removals).OrThrow();
        host.Apply(hostEnd.Removals).OrThrow();
        Inside(kernel => kernel.Apply(inside.Removals).OrThrow());
        return plainQueue;
    }

    /// <summary>
    /// Takes back whatever of the change was made, in any state between. What the container's root has done to its own devices is
    /// no reason to leave the host's half changed: CHECK reports it.
    /// </summary>
    /// <exception cref="IOException">The kernel refused something on the host.</exception>
    public void Revert()
    {
        var (inside, hostEnd, entries) = Between(_after, _before);
        TryInside(kernel => kernel.Apply(ThoseMissing(kernel, inside.Additions)).OrThrow());
        if (_setsEgress)
        {
            TryInside(kernel => SetLimit(kernel, _after.Container, _before.Container));
        }

        // A connection of its own: where an answer was lost, more of it may still come on the other one.
        using var connection = NetlinkConnection.Open();
        var host = new NamespaceKernel(connection, Place.Host);
        host.Apply(ThoseMissing(host, hostEnd.Additions)).OrThrow();
        host.Apply(ThoseMissing(host, entries.Additions)).OrThrow();
        if (_setsIngress)
        {
            SetLimit(host, _after.HostEnd, _before.HostEnd);
        }

        // The tables are shared: what stood in the way of an entry of ours is somebody else's.
        host.Apply(ThoseAsPlanned(host, entries.Removals)).OrThrow();
        host.Apply(hostEnd.Removals).OrThrow();
        TryInside(kernel => kernel.Apply(inside.Removals).OrThrow());
    }

    public void Dispose() => _container?.Dispose();

    private static bool ChangesPorts(Attachment attachment) => !attachment.Change!.Claims.SequenceEqual(attachment.Ports.Claims);

    private static (Transition Inside, Transition HostEnd, Transition Entries) Between(AttachmentPlan before, AttachmentPlan after) =>
        (Ports(before.Container, after.Container), Ports(before.HostEnd, after.HostEnd), Ports(before.Entries, after.Entries));

    private static Transition Ports(Plan before, Plan after) =>
        Reconciler.Between(before.Only(o => !AttachmentPlan.IsOfLimit(o)), after.Only(o => !AttachmentPlan.IsOfLimit(o)));

    /// <summary>Gives a device that is in use another limit. What waits behind one that stays goes on waiting.</summary>
    /// <returns>Whether packets wait in a plain queue, as the kernel has no fq_codel.</returns>
    /// <exception cref="NetlinkException">The kernel refused, or another qdisc of somebody else's is there where there was to be none.</exception>
    private static bool SetLimit(NamespaceKernel kernel, Plan before, Plan after)
    {
        var limit = after.Only(AttachmentPlan.IsOfLimit) with { Territories = [.. after.Territories.OfType<LimitTerritory>()] };
        if (limit.Objects.OfType<RootQdiscState>().FirstOrDefault() is { } root
            && !before.Objects.Any(o => o is RootQdiscState)
            && kernel.Find(root) is RootQdiscState { IsOurs: false } stranger)
        {
            throw new NetlinkException(
                $"replace {stranger.Kind} {Netlink.Tc.TcHandle.Format(stranger.Handle)} of {stranger.Device}", Errno.Exists, "it is somebody else's");
        }

        return new Reconciler(kernel).Converge(limit).LacksQueue;
    }

    /// <summary>An entry may be in the way that leads to a device that is gone, of a container that nobody remembers.</summary>
    private void AddEntries(NamespaceKernel host, Transition entries)
    {
        var outcome = host.Apply(entries.Additions);
        if (outcome.Refusals.FirstOrDefault(r => r.Errno != Errno.Exists) is { } other)
        {
            throw other.Exception;
        }

        if (outcome.Refusals.Count > 0)
        {
            host.Apply(ThoseAsPlanned(host, [.. entries.Additions.Select(c => c with { Kind = ChangeKind.Delete })])).OrThrow();
            SharedEntries.RemoveLeadingTo(_session.Host, [Hooks.Loopback, _attachment.Host.MasterIndex], target: 0);
            host.Apply(entries.Additions).OrThrow();
        }
    }

    private static List<Change> ThoseMissing(NamespaceKernel kernel, IReadOnlyList<Change> additions) =>
        [.. additions.Where(c => kernel.Find(c.Object) is null)];

    private static List<Change> ThoseAsPlanned(NamespaceKernel kernel, IReadOnlyList<Change> removals) =>
        [.. removals.Where(c => kernel.Find(c.Object) is { } found && !c.Object.Compare(found).Any())];

    private void TryInside(Action<NamespaceKernel> action)
    {
        try
        {
            Inside(action);
        }
        catch (IOException)
        {
            // See Revert.
        }
    }

    private void Inside(Action<NamespaceKernel> action)
    {
        if (_container is not null)
        {
            NamespaceKernel.Within(_container, kernel =>
            {
                action(kernel);
                return true;
            });
        }
    }

    private static IsolationException Unreachable(Attachment attachment) => new(
        IsolationFault.NamespaceMissing,
        $"the namespace of {attachment.Key} cannot be entered",
        attachment.Rebuilt
            ? "its record was rebuilt from the kernel, which does not tell where the namespace is"
            : $"\"{attachment.Namespace.Path}\" is not there, or another namespace is in its place");
}
