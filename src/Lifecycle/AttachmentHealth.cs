using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;

namespace CniIsolator.Lifecycle;

/// <summary>How an attachment does, as far as a cheap look tells.</summary>
/// <param name="IsHealthy">Whether packets can reach it and leave it.</param>
/// <param name="Warnings">What is wrong, or not as it could be; empty when healthy and well.</param>
public sealed record AttachmentHealth(bool IsHealthy, IReadOnlyList<string> Warnings)
{
    /// <summary>
    /// Looks at all of them: what they share is compared whole; of their own, whether namespace, interface, entries and limits are there. One dump of
    /// links, one of qdiscs, and one for each hook of shared filters, however many attachments there are; what is on a limit is listed for each device
    /// that has one. CHECK looks at everything.
    /// </summary>
    public static Dictionary<AttachmentKey, AttachmentHealth> Look(string stateDir, IReadOnlyList<Attachment> attachments)
    {
        var found = new Dictionary<AttachmentKey, AttachmentHealth>();
        using var look = new HealthLook(stateDir);
        foreach (var attachment in attachments)
        {
            found[attachment.Key] = look.At(attachment);
        }

        return found;
    }
}

/// <summary>One look at the health of many attachments.</summary>
internal sealed class HealthLook : IDisposable
{
    private readonly Session? _session;
    private readonly NamespaceKernel? _host;
    private readonly HostRecord? _note;
    private readonly Dictionary<(HostValues Values, bool HostLoopback, bool HasFlows), IReadOnlyList<Difference>> _shared = [];

    public HealthLook(string stateDir)
    {
        try
        {
            _session = new Session(stateDir);
            _host = _session.Kernel();
            _host.ReadWhole();
            _note = _session.Store.FindHost();
        }
        catch (IOException)
        {
            // Not permitted: what the records say is still shown.
            _session?.Dispose();
            _session = null;
        }
    }

    public AttachmentHealth At(Attachment attachment)
    {
        List<string> warnings = [];
        var isHealthy = true;
        if (attachment.Features.PlainQueue)
        {
            warnings.Add($"the kernel lacks {FeatureProbe.FairQueue}: one plain queue behind the limit");
        }

        if (attachment.Change is not null && !Conditions.IsBeingChanged(attachment))
        {
            isHealthy = false;
            warnings.Add(attachment.Change.Host is null
                ? "an update was interrupted; the next one takes it back"
                : "a repair was interrupted; the next one ends it");
        }

        if (_session is null || TryFindCondition(attachment) is not { } condition)
        {
            return new AttachmentHealth(isHealthy, warnings);
        }

        if (Describe(condition, attachment) is { } text)
        {
            warnings.Add(text);
        }

        isHealthy &= condition is AttachmentCondition.Running or AttachmentCondition.Busy;
        if (attachment.Change is null && condition is AttachmentCondition.Running or AttachmentCondition.Cut && _session.IsOnThisHost(attachment))
        {
            var differences = Compare(attachment).Select(d => d.ToString()).ToList();
            warnings.AddRange(differences);
            isHealthy &= differences.Count == 0;
        }

        return new AttachmentHealth(isHealthy, warnings);
    }

    public void Dispose() => _session?.Dispose();

    /// <summary>Null where the kernel does not say: what the record says is still shown.</summary>
    private AttachmentCondition? TryFindCondition(Attachment attachment)
    {
        try
        {
            return _session!.Conditions.Of(attachment);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static string? Describe(AttachmentCondition condition, Attachment attachment) => condition switch
    {
        AttachmentCondition.Pathless or AttachmentCondition.Gone when attachment.Rebuilt => null,
        AttachmentCondition.Pathless => $"the namespace {attachment.Namespace.Path} is gone, or another is in its place",
        AttachmentCondition.Gone =>
            $"the namespace {attachment.Namespace.Path} and the interface {attachment.HostInterface} are gone: gc gives its ports back",
        AttachmentCondition.Abandoned =>
            $"the process that was to {(attachment.State == AttachmentState.Creating ? "make" : "remove")} it has died: gc clears it away",
        AttachmentCondition.OfEarlierBoot => "it was made before the machine started: gc gives its ports back",
        _ => null,
    };

    private List<Difference> Compare(Attachment attachment)
    {
        var shared = (attachment.Host, attachment.HostLoopback == HostLoopback.Allow, attachment.Numbers.Flow != 0);
        var host = new Reconciler(_host!);
        if (!_shared.TryGetValue(shared, out var differences))
        {
            var flows = shared.Item3 ? AttachmentCheck.FlowsOf(_note) : (FlowClassifierParent?)null;
            var plan = HostPlan.Of(shared.Host, shared.Item2, flows);
            differences = OrNone(() => host.Diff(plan with { Objects = [new MasterState(shared.Host) { Place = Place.Host }, .. plan.Objects] }));
            _shared.Add(shared, differences);
        }

        var own = AttachmentPlan.Of(attachment);
        return
        [
            .. differences, .. OrNone(() => host.Diff(own.HostEnd.Only(IsCheap))), .. OrNone(() => CompareCarrier(attachment)),
            .. OrNone(() => host.Diff(own.Entries)), .. OrNone(() => CompareInside(attachment, own)),
        ];
    }

    /// <summary>Something that has just gone, or may not be looked at, hides nothing that is known of the rest.</summary>
    private static IReadOnlyList<Difference> OrNone(Func<IReadOnlyList<Difference>> compare)
    {
        try
        {
            return compare();
        }
        catch (IOException)
        {
            return [];
        }
    }

    /// <summary>A veth that is up has a carrier as soon as its other end is up: so that end is seen without entering its namespace.</summary>
    private IReadOnlyList<Difference> CompareCarrier(Attachment attachment) =>
        _host!.FindLink(attachment.HostInterface) is { IsUp: true, HasCarrier: false }
            ? [new Difference($"carrier of {attachment.HostInterface}", "one", $"none: {attachment.Key.IfName} in the container is down")]
            : [];

    private static bool IsCheap(KernelObject planned) =>
        planned is LinkState or HookState || AttachmentPlan.IsOfLimit(planned);

    /// <summary>A container is entered only for a limit that is in it.</summary>
    private static IReadOnlyList<Difference> CompareInside(Attachment attachment, AttachmentPlan own)
    {
        using var container = attachment.Limits.Egress is null ? null : RecordedNamespace.TryOpen(attachment, attachment.Namespace.Path);
        return container is null
            ? []
            : NamespaceKernel.Within(container, kernel => new Reconciler(kernel).Diff(own.Container.Only(AttachmentPlan.IsOfLimit)));
    }
}
