using CniIsolator.DataPath;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState.Tests;

/// <summary>The host's end of the veth is down while anything on its hook is not the container's own filters.</summary>
public sealed class GateTests
{
    private static readonly string[] Attachments = ["bare", "limit on sending", "both limits, a flow, programs"];

    public static TheoryData<string> Names => [.. Attachments];

    [Theory]
    [MemberData(nameof(Names))]
    public void Whatever_is_wrong_on_the_hook_closes_the_link_first_and_opens_it_last(string attachment)
    {
        Shape shape = Shape.Named(attachment, "host end");
        IEnumerable<KernelObject> onHook = shape.Plan.Objects.Where(o => o == shape.Plan.Gate!.Hook || o.FallsWith(shape.Plan.Gate!.Hook));
        foreach (Alteration alteration in onHook.SelectMany(Alteration.Of))
        {
            AssertClosedWhile(shape, alteration.Wrong);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Whatever_is_foreign_on_the_hook_closes_the_link_first_and_opens_it_last(string attachment)
    {
        Shape shape = Shape.Named(attachment, "host end");
        (string device, int index) = (shape.Plan.Gate!.Link.Name, shape.Plan.Gate.Link.Index);
        foreach (FilterAttachment at in (FilterAttachment[])[Hooks.Arp(index), Hooks.Internet(index)])
        {
            AssertClosedWhile(shape, new FilterState(device, new U32Node(at, new U32Handle(0, 0, 0xabc), [U32Key.Any])) { Place = Place.Host });
            AssertClosedWhile(shape, new FilterState(device, new U32Table(at, new U32Handle(0x777, 0, 0), 1)) { Place = Place.Host });
        }

        foreach (ushort priority in (ushort[])[1, Hooks.GuardPriority - 1, Hooks.DropPriority + 1, ushort.MaxValue])
        {
            FilterAttachment at = new(index, TcHandle.Ingress, priority, EthernetProtocol.All);
            AssertClosedWhile(shape, new ForeignFilterState(device, at, "matchall") { Place = Place.Host });
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Missing_filters_do_not_close_the_link(string attachment)
    {
        Shape shape = Shape.Named(attachment, "host end");
        foreach (KernelObject missing in shape.Plan.Objects.Where(o => o != shape.Plan.Gate!.Link && o is not PlainQueueState))
        {
            FakeKernel kernel = shape.Made();
            kernel.Take(missing);
            kernel.Reconciler.Converge(shape.Plan);
            Assert.DoesNotContain(kernel.Changes, change => change.Object is LinkState);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void What_is_wrong_elsewhere_does_not_close_the_link(string attachment)
    {
        Shape shape = Shape.Named(attachment, "host end");
        Gate gate = shape.Plan.Gate!;
        IEnumerable<KernelObject> elsewhere = shape.Plan.Objects.Where(o => o != gate.Link && o != gate.Hook && !o.FallsWith(gate.Hook));
        foreach (Alteration alteration in elsewhere.SelectMany(Alteration.Of))
        {
            FakeKernel kernel = shape.Made();
            kernel.Put(alteration.Wrong);
            kernel.Reconciler.Converge(shape.Plan);
            Assert.DoesNotContain(kernel.Changes, change => change.Object is LinkState or HookState or FilterState or ProgramState);
        }
    }

    [Fact]
    public void A_link_that_is_gone_is_not_closed()
    {
        Shape shape = Shape.Named("bare", "host end");
        FakeKernel kernel = new();
        kernel.Reconciler.Converge(shape.Plan);
        Assert.DoesNotContain(kernel.Changes, change => change.Kind == ChangeKind.Close);
        Assert.Equal((ChangeKind.Create, shape.Plan.Gate!.Link.Key), (kernel.Changes[^1].Kind, kernel.Changes[^1].Object.Key));
    }

    private static void AssertClosedWhile(Shape shape, KernelObject wrong)
    {
        FakeKernel kernel = shape.Made();
        kernel.Put(wrong);
        kernel.Reconciler.Converge(shape.Plan);
        Assert.Empty(kernel.Reconciler.Diff(shape.Plan));
        Assert.True(new Change(ChangeKind.Close, shape.Plan.Gate!.Link) == kernel.Changes[0], $"{wrong.Subject}: the first step is {kernel.Changes[0]}");
        Assert.Equal(new Change(ChangeKind.Change, shape.Plan.Gate.Link), kernel.Changes[^1]);
        Assert.Single(kernel.Changes, change => change.Object is LinkState && change.Kind == ChangeKind.Close);

        // A guard's own qdisc goes with all on it, whoever put it there: nothing of it is left to be found one by one.
        Change removal = Assert.Single(kernel.Changes, change => change.Kind == ChangeKind.Delete);
        Assert.Equal(shape.Plan.Gate.Hook.Key, removal.Object.Key);
    }
}
