using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;

namespace CniIsolator.KernelState.Tests;

/// <summary>From one plan to another, as an update of ports goes, and back.</summary>
public sealed class TransitionTests
{
    private static readonly PortClaim[][] Ports =
    [
        [],
        [new(TransportProtocol.Tcp, PortRange.Single(31005))],
        [new(TransportProtocol.Tcp, PortRange.Parse("31004-31011")), new(TransportProtocol.Udp, PortRange.Single(31005))],
        [new(TransportProtocol.Tcp, PortRange.Parse("1-4095"))],
        [.. AttachmentPath.Protocols.Select(p => new PortClaim(p, PortRange.Parse("31000-31006")))],
    ];

    public static TheoryData<int, int> Pairs
    {
        get
        {
            TheoryData<int, int> pairs = [];
            for (int i = 0; i < Ports.Length; i++)
            {
                for (int j = 0; j < Ports.Length; j++)
                {
                    pairs.Add(i, j);
                }
            }

            return pairs;
        }
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Between_additions_and_removals_both_are_in_force(int from, int to)
    {
        Attachment attachment = Shape.Attachments["both limits, a flow, programs"];
        (AttachmentPlan before, AttachmentPlan after) = (PlanOf(attachment, Ports[from], 0), PlanOf(attachment, Ports[to], from == to ? 0 : 1));
        AssertWay(Plan.Empty, before.Container, after.Container);
        AssertWay(Plan.Empty, before.HostEnd, after.HostEnd);
        AssertWay(Shape.HostPlanOf(attachment), before.Entries, after.Entries);
    }

    [Fact]
    public void What_is_in_both_is_in_neither_part()
    {
        Plan plan = Shape.Named("both limits, a flow, programs", "host end").Plan;
        Transition nothing = Reconciler.Between(plan, plan);
        Assert.Empty(nothing.Additions);
        Assert.Empty(nothing.Removals);
        Transition all = Reconciler.Between(Plan.Empty, plan);
        Assert.Equal(plan.Objects.Select(o => new Change(ChangeKind.Create, o)), all.Additions);
        Transition back = Reconciler.Between(plan, Plan.Empty);
        Assert.Equal(plan.Objects.Reverse().Select(o => new Change(ChangeKind.Delete, o)), back.Removals);
    }

    private static AttachmentPlan PlanOf(Attachment attachment, PortClaim[] ports, int generation) =>
        AttachmentPlan.Of(attachment, AttachmentPath.Of(attachment) with { Claims = ports, Generation = generation });

    private static void AssertWay(Plan ground, Plan before, Plan after)
    {
        FakeKernel kernel = new Shape("", ground, before).Made();
        Transition transition = Reconciler.Between(before, after);
        HashSet<ObjectKey> shared = [.. before.Objects.Select(o => o.Key).Intersect(after.Objects.Select(o => o.Key))];
        Assert.DoesNotContain(transition.Additions.Concat(transition.Removals), change => shared.Contains(change.Object.Key));
        Assert.All(transition.Additions, change => Assert.Equal(ChangeKind.Create, change.Kind));
        Assert.All(transition.Removals, change => Assert.Equal(ChangeKind.Delete, change.Kind));

        kernel.Apply(transition.Additions).OrThrow();
        Assert.Empty(WithoutTerritories(kernel, before));
        Assert.Empty(WithoutTerritories(kernel, after));

        kernel.Apply(transition.Removals).OrThrow();
        Assert.Empty(kernel.Reconciler.Diff(after));
        FakeKernel fresh = new Shape("", ground, after).Made();
        Assert.Equal(fresh.Objects.Select(o => o.Key).ToHashSet(), [.. kernel.Objects.Select(o => o.Key)]);
    }

    // What belongs to the other plan is strange in the meantime.
    private static IReadOnlyList<Difference> WithoutTerritories(FakeKernel kernel, Plan plan) => kernel.Reconciler.Diff(plan with { Territories = [] });
}
