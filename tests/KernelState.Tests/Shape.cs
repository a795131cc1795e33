using System.Net;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Ipam.Tests;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Plans;
using CniIsolator.Netlink.Route;

namespace CniIsolator.KernelState.Tests;

/// <summary>A plan of a sort, and what it needs to be there before.</summary>
/// <param name="Name">For people.</param>
/// <param name="Ground">What it stands on.</param>
/// <param name="Plan">The plan.</param>
internal sealed record Shape(string Name, Plan Ground, Plan Plan)
{
    private static readonly ProgramTags Tags = new("60bee2a9d28d7ef1", "57cd311f2e27366b");

    private static readonly MacAddress Gateway = MacAddress.Parse("02:42:ac:11:00:01");

    /// <summary>Attachments that differ in what their plans consist of.</summary>
    public static IReadOnlyDictionary<string, Attachment> Attachments { get; } = new Dictionary<string, Attachment>
    {
        ["bare"] = Samples.Attachment() with { Limits = default, HostLoopback = HostLoopback.Deny },
        ["limit on sending"] = Samples.WithEverything(),
        ["limit on receiving"] = Samples.Attachment() with { Limits = new Limits(null, new RateLimit(500_000, 500_000, 16_000)) },
        ["both limits, a flow, programs"] = Samples.WithEverything() with
        {
            Numbers = Samples.WithEverything().Numbers with { Flow = 1023 },
            Limits = new Limits(new RateLimit(37_500_000, 75_000_000, 64_000), new RateLimit(500_000, 500_000, 16_000)),
            Features = new KernelFeatures { DropsUnmatched = true, GuardsChecksums = true },
        },
        ["guest, plain queues, finished checksums"] = Samples.Changing(),
        ["slow limits"] = Samples.Attachment() with { Limits = new Limits(new RateLimit(1000, 1000, 3028), new RateLimit(1000, 2000, 3028)) },
        ["no gateway"] = Samples.Attachment() with { Host = Samples.Attachment().Host with { Gateway = null } },
        ["last slot, last ports"] = Samples.Attachment(slice: PortRange.Parse("64512-65535"), slot: 4095, claims: [new(TransportProtocol.Tcp, PortRange.Single(1))]),
        ["many ports"] = Samples.Attachment(claims:
        [
            .. AttachmentPath.Protocols.SelectMany(p => Enumerable.Range(0, 6).Select(i => new PortClaim(p, PortRange.Single((ushort)(1001 + (i * 2)))))),
        ]),
    };

    /// <summary>All plans of all attachments.</summary>
    public static IReadOnlyList<Shape> All { get; } = [.. Attachments.SelectMany(one => Of(one.Key, one.Value)), .. HostsAlone()];

    public static TheoryData<string> Names => [.. All.Select(shape => shape.Name)];

    public static Shape Named(string name) => All.Single(shape => shape.Name == name);

    public static Shape Named(string attachment, string plan) => Named($"{attachment}: {plan}");

    /// <summary>A kernel that has what the plan says, and what it stands on; what was done to it is forgotten.</summary>
    public FakeKernel Made()
    {
        FakeKernel kernel = new();
        Reconciler reconciler = kernel.Reconciler;
        reconciler.Apply(Ground).OrThrow();
        reconciler.Apply(Plan).OrThrow();
        kernel.Changes.Clear();
        return kernel;
    }

    public override string ToString() => Name;

    public static Plan HostPlanOf(Attachment attachment) => HostPlan.Of(
        attachment.Host, attachment.HostLoopback == HostLoopback.Allow, attachment.Numbers.Flow == 0 ? null : FlowClassifierParent.Root);

    public static AttachmentPlan PlanOf(Attachment attachment) => AttachmentPlan.Of(attachment, Tags, Gateway);

    private static IEnumerable<Shape> Of(string name, Attachment attachment)
    {
        AttachmentPlan plan = PlanOf(attachment);
        Plan host = HostPlanOf(attachment);
        yield return new Shape($"{name}: container", Plan.Empty, plan.Container);
        yield return new Shape($"{name}: host end", Plan.Empty, plan.HostEnd);
        yield return new Shape($"{name}: entries", host, plan.Entries);
        yield return new Shape($"{name}: shared", Plan.Empty, host);
        yield return new Shape($"{name}: master", Plan.Empty, new Plan([new MasterState(attachment.Host) { Place = Place.Host }]));
    }

    private static IEnumerable<Shape> HostsAlone()
    {
        HostValues values = Samples.Attachment().Host;
        yield return new Shape("host without a master", Plan.Empty, HostPlan.Of(values, hostLoopback: true, FlowClassifierParent.Root, hasMaster: false));
        yield return new Shape("host with queues below a class", Plan.Empty, HostPlan.Of(values, hostLoopback: false, new FlowClassifierParent(0x10010)));
        yield return new Shape("entries without a master", HostPlan.Of(values, hostLoopback: true, null, hasMaster: false), PlanOf(Samples.WithEverything()).Entries.Without(values.MasterIndex));
        yield return new Shape("unknown tags: host end", Plan.Empty, AttachmentPlan.Of(Attachments["both limits, a flow, programs"]).HostEnd);
        yield return new Shape("other address: shared", Plan.Empty, HostPlan.Of(values with { Address = IPAddress.Parse("198.51.100.9") }, hostLoopback: true, null));
    }
}
