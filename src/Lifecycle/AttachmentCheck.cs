using System.Net;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;

namespace CniIsolator.Lifecycle;

/// <summary>
/// Compares what attachments should have in the kernel with what it has. The host is read once, however many are compared, unless something is changed.
/// </summary>
public sealed class AttachmentCheck
{
    private readonly Session _session;
    private readonly HostRecord? _note;
    private readonly Dictionary<bool, ProgramTags> _tags = [];
    private Reconciler _host;

    /// <param name="session">The command's session.</param>
    public AttachmentCheck(Session session)
    {
        _session = session;
        _note = session.Store.FindHost();
        _host = new Reconciler(session.Kernel());
    }

    /// <summary>Forgets what was read of the host: something was changed there.</summary>
    public void Refresh() => _host = new Reconciler(_session.Kernel());

    /// <summary>Everything: what is its own, what it shares, and whether the host is still as it was.</summary>
    /// <param name="attachment">Its record.</param>
    /// <param name="container">Its namespace.</param>
    /// <param name="master">The interface that it should share; null for that of the default route.</param>
    /// <param name="address">The address that it should share; null where nobody says.</param>
    /// <exception cref="IOException">The kernel does not say.</exception>
    public IReadOnlyList<Difference> Compare(Attachment attachment, NetworkNamespace container, string? master, IPAddress? address) =>
    [
        .. CompareShared(attachment.Host, attachment.HostLoopback == HostLoopback.Allow, attachment.Numbers.Flow != 0),
        .. CompareOwn(attachment, container, new MasterState(attachment.Host) { Place = Place.Host, Wanted = master, WantedAddress = address }),
    ];

    /// <summary>What containers share that have taken over the same from the host.</summary>
    /// <param name="values">What they have taken over.</param>
    /// <param name="hostLoopback">Whether any of them may use 127.0.0.1.</param>
    /// <param name="hasFlows">Whether any of them has a queue of its own on the master.</param>
    public IReadOnlyList<Difference> CompareShared(HostValues values, bool hostLoopback, bool hasFlows) =>
        _host.Diff(HostPlan.Of(values, hostLoopback, hasFlows ? FlowsOf(_note) : null));

    /// <summary>What a container has for itself.</summary>
    public IReadOnlyList<Difference> CompareOwn(Attachment attachment, NetworkNamespace container, MasterState master)
    {
        var plan = AttachmentPlan.Of(attachment, TagsFor(attachment));
        return
        [
            .. _host.Diff(new Plan([master])),
            .. _host.Diff(plan.HostEnd),
            .. _host.Diff(plan.Entries),
            .. NamespaceKernel.Within(container, kernel => new Reconciler(kernel).Diff(plan.Container)),
        ];
    }

    private ProgramTags TagsFor(Attachment attachment)
    {
        var finished = attachment.Features.FinishesChecksums;
        if (!_tags.TryGetValue(finished, out var tags))
        {
            using var programs = HostEndPrograms.LoadFor(finished, _note?.PacketLayout);
            tags = programs.Tags;
            _tags.Add(finished, tags);
        }

        return tags;
    }

    /// <summary>Where the host's note says that the master's queues hang.</summary>
    public static FlowClassifierParent FlowsOf(HostRecord? note) =>
        note?.FlowParent is { } text && FlowClassifierParent.TryParse(text, out var noted) ? noted : FlowClassifierParent.Root;
}
