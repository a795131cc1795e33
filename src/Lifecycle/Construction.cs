using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Lifecycle;

/// <summary>Puts the plan of an attachment whose ports are reserved into force, and takes all of it back on demand.</summary>
internal sealed class Construction(
    Session session,
    Attachment attachment,
    NetworkNamespace container,
    AttachRequest request,
    HostEndPrograms programs)
{
    private HashSet<ObjectKey> _foreign = [];

    /// <param name="first">Whether what all containers share may not be there.</param>
    /// <param name="hasMoved">Whether it is there for another address or MAC than the host has now.</param>
    /// <returns>The attachment, with what turned out of this kernel: whether it has fq_codel, and a filter for BPF.</returns>
    /// <exception cref="IOException">The kernel refused.</exception>
    /// <exception cref="IsolationException">Something of somebody else's is in the way.</exception>
    public Attachment Build(bool first, bool hasMoved)
    {
        var gatewayMac = attachment.Host.Gateway is { } gateway
            ? Neighbours.Find(session.Host, attachment.Host.MasterIndex, InternetAddress.From(gateway))
            : null;
        var plan = AttachmentPlan.Of(attachment, programs.Tags, gatewayMac);
        var inside = NamespaceKernel.Within(
            container, kernel => new Reconciler(kernel).Apply(plan.Container).OrThrow(), session.Namespace.Descriptor);

        using var shared = session.HoldSharedState();
        if (first)
        {
            EnsureShared();
        }
        else if (hasMoved)
        {
            new Reconciler(session.Kernel()).Converge(HostPlan.Of(attachment.Host, plan.HostLoopback, request.Flows));
        }

        var outcome = BuildHostSide(plan);
        if (outcome.Refusals.Count == 0)
        {
            return Built(inside, outcome);
        }

        // The tables may have been removed behind our back, or a filter of an attachment that nobody remembers may be
        // in the way. Both are put right once, and only after a failure.
        _foreign =
        [
            .. outcome.Refusals.Where(r => r.Errno == Errno.Exists && plan.Entries.Objects.Contains(r.Change.Object)).Select(r => r.Change.Object.Key),
        ];
        EnsureShared();
        ClearStrays(plan);
        new Reconciler(session.Kernel()).Remove([plan.Entries, plan.HostEnd.Only(o => o is not LinkState)]).OrThrow();
        return Built(inside, BuildHostSide(plan).OrThrow());
    }

    /// <summary>Puts container and host back as they were. Each part is tried, whatever becomes of the others.</summary>
    /// <returns>Why some of it is still there; none when all of it has gone.</returns>
    public IReadOnlyList<IOException> RollBack()
    {
        var faults = new List<IOException>();
        Attempt(() => container.Run(() => ContainerRestoration.Steps(attachment.Before).ForEach(Attempt)));
        Attempt(() => SharedEntries.Remove(session.Kernel(), [AttachmentPlan.Of(attachment).Entries], _foreign));
        Attempt(() => LinkRemoval.RemoveByName(session.Host, attachment.HostInterface));
        return faults;

        void Attempt(Action part)
        {
            try
            {
                part();
            }
            catch (IOException e)
            {
                faults.Add(e);
            }
        }
    }

    private void EnsureShared() =>
        HostDataPath.Ensure(session.Host, attachment.Host, attachment.HostLoopback == HostLoopback.Allow, request.Flows);

    /// <summary>
    /// The host's end and the entries in one batch. The entries come last, when both ends of the veth are up: before that they would swallow packets.
    /// </summary>
    private Outcome BuildHostSide(AttachmentPlan plan) =>
        new Reconciler(session.Kernel(programs)).Apply(new Plan([.. plan.HostEnd.Objects, .. plan.Entries.Objects]));

    private Attachment Built(Outcome inside, Outcome host) => attachment with
    {
        Features = attachment.Features with
        {
            PlainQueue = inside.LacksQueue || host.LacksQueue,

            // Programs can be loaded on kernels that have no filter to put them into.
            GuardsChecksums = attachment.Features.GuardsChecksums && !host.LacksProgram(ProgramRole.Guard),
            DropsUnmatched = attachment.Features.DropsUnmatched && !host.LacksProgram(ProgramRole.Drop),
        },
    };

    /// <summary>Removes filters in the way that lead nowhere; one that leads to a device is somebody's.</summary>
    private void ClearStrays(AttachmentPlan plan)
    {
        var kernel = session.Kernel();
        foreach (var planned in plan.Entries.Objects.Where(o => _foreign.Contains(o.Key)))
        {
            if (kernel.Find(planned) is FilterState { Target: not (null or 0) } found
                && found.Target != attachment.Numbers.HostEnd
                && Links.Find(session.Host, found.Target.Value) is { } link)
            {
                throw new IsolationException(
                    IsolationFault.PortTaken,
                    $"a filter that the store does not know leads from this container's ports to {link.Name}",
                    $"{found.Subject}; {link.Name} has the alias \"{link.Alias}\"");
            }
        }

        SharedEntries.RemoveLeadingTo(session.Host, [DataPath.Hooks.Loopback, attachment.Host.MasterIndex], target: 0);
        _foreign = [];
    }
}
