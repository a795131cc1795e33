using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;
using CniIsolator.Netlink;

namespace CniIsolator.KernelState.Tests;

/// <summary>Making what a plan says.</summary>
public sealed class ApplyTests
{
    [Theory]
    [MemberData(nameof(Shape.Names), MemberType = typeof(Shape))]
    public void What_was_made_is_as_planned(string name)
    {
        Shape shape = Shape.Named(name);
        FakeKernel kernel = shape.Made();
        Assert.Empty(kernel.Reconciler.Diff(shape.Plan));
        kernel.Reconciler.Converge(shape.Plan);
        Assert.DoesNotContain(kernel.Changes, change => !Known.MayLack(change.Object));
    }

    [Theory]
    [MemberData(nameof(Shape.Names), MemberType = typeof(Shape))]
    public void No_two_objects_of_a_plan_are_the_same_thing(string name)
    {
        Plan plan = Shape.Named(name).Plan;
        Assert.Equal(plan.Objects.Count, plan.Objects.DistinctBy(o => o.Key).Count());
    }

    [Theory]
    [MemberData(nameof(Shape.Names), MemberType = typeof(Shape))]
    public void An_empty_kernel_is_brought_to_the_plan(string name)
    {
        Shape shape = Shape.Named(name);
        FakeKernel kernel = new();
        Reconciler reconciler = kernel.Reconciler;
        reconciler.Apply(shape.Ground).OrThrow();
        Assert.All(shape.Plan.Objects.Where(o => !Known.MayLack(o)), o => Assert.NotEmpty(o.Compare(null)));
        Assert.Equal(Known.Missed([.. shape.Plan.Objects.Where(o => kernel.Find(o) is null)]), reconciler.Diff(shape.Plan));
        reconciler.Converge(shape.Plan);
        Assert.Empty(reconciler.Diff(shape.Plan));
    }

    [Fact]
    public void Every_sort_of_object_is_in_a_plan_that_is_tested()
    {
        HashSet<Type> planned = [.. Shape.All.SelectMany(shape => shape.Plan.Objects).Select(o => o.GetType()), typeof(ForeignFilterState)];
        IEnumerable<Type> all = typeof(KernelObject).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(KernelObject)) && !type.IsAbstract);
        Assert.Equal(all.Select(type => type.Name).Order(), planned.Select(type => type.Name).Order());
    }

    [Fact]
    public void What_another_process_makes_at_the_same_time_is_not_refused()
    {
        Shape shape = Shape.Named("both limits, a flow, programs", "shared");
        FakeKernel kernel = shape.Made();
        Plan plan = shape.Plan.Only(o => o is not FlowQdiscState);
        Assert.Empty(kernel.Reconciler.Apply(plan).Refusals);
    }

    [Fact]
    public void What_is_a_container_s_alone_is_refused_where_it_is_there_already()
    {
        Shape shape = Shape.Named("bare", "entries");
        FakeKernel kernel = shape.Made();
        Outcome outcome = kernel.Reconciler.Apply(shape.Plan);
        Assert.Equal(shape.Plan.Objects, outcome.Refusals.Select(r => r.Change.Object));
        Assert.All(outcome.Refusals, r => Assert.Equal(Errno.Exists, r.Errno));
        Assert.Throws<NetlinkException>(outcome.OrThrow);
    }

    [Fact]
    public void Nothing_is_made_after_a_refusal()
    {
        Shape shape = Shape.Named("limit on sending", "container");
        FakeKernel kernel = new() { Refuse = change => change.Object is AddressState ? Errno.NoBufferSpace : null };
        Assert.NotEmpty(kernel.Reconciler.Apply(shape.Plan).Refusals);
        int veth = kernel.Changes.FindIndex(change => change.Object is VethState);
        Assert.DoesNotContain(kernel.Changes[veth..], change => change.Object is SysctlState);
    }

    [Theory]
    [InlineData("container", typeof(QueueState))]
    [InlineData("host end", typeof(QueueState))]
    [InlineData("host end", typeof(ProgramState))]
    public void What_the_kernel_does_not_know_and_can_do_without_is_told(string part, Type type)
    {
        Shape shape = Shape.Named("both limits, a flow, programs", part);
        FakeKernel kernel = new() { Refuse = change => change.Object.GetType() == type ? Errno.NoEntry : null };
        Reconciler reconciler = kernel.Reconciler;
        Outcome outcome = reconciler.Apply(shape.Plan).OrThrow();
        AssertLacking(outcome, type);
        AssertLacking(reconciler.Converge(shape.Plan), type);
        Assert.All(reconciler.Diff(shape.Plan), difference => Assert.Contains(outcome.Lacking, o => o.Subject == difference.Subject));
    }

    [Fact]
    public void What_the_kernel_cannot_do_without_is_refused_where_it_does_not_know_it()
    {
        Shape shape = Shape.Named("limit on sending", "container");
        FakeKernel kernel = new() { Refuse = change => change.Object is RootQdiscState ? Errno.NoEntry : null };
        Assert.Throws<NetlinkException>(() => kernel.Reconciler.Converge(shape.Plan));
        Assert.Throws<NetlinkException>(() => kernel.Reconciler.Apply(shape.Plan).OrThrow());
    }

    private static void AssertLacking(Outcome outcome, Type type)
    {
        Assert.NotEmpty(outcome.Lacking);
        Assert.All(outcome.Lacking, o => Assert.IsType(type, o));
        Assert.Equal(type == typeof(QueueState), outcome.LacksQueue);
        Assert.Equal(type == typeof(ProgramState), outcome.LacksProgram(ProgramRole.Guard));
        Assert.Equal(type == typeof(ProgramState), outcome.LacksProgram(ProgramRole.Drop));
    }
}
