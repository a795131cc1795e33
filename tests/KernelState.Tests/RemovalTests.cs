using CniIsolator.Ipam;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState.Tests;

/// <summary>Taking away, and what is busy meanwhile.</summary>
public sealed class RemovalTests
{
    private static readonly Attachment First = Shape.Attachments["both limits, a flow, programs"];

    [Fact]
    public void Many_plans_go_at_once_and_nothing_else()
    {
        FakeKernel kernel = Shape.Named("both limits, a flow, programs", "shared").Made();
        Attachment[] attachments = [.. Enumerable.Range(1, 5).Select(Numbered)];
        AttachmentPlan[] plans = [.. attachments.Select(Shape.PlanOf)];
        List<ObjectKey> shared = [.. kernel.Objects.Select(o => o.Key)];
        foreach (AttachmentPlan plan in plans)
        {
            kernel.Reconciler.Apply(plan.HostEnd).OrThrow();
            kernel.Reconciler.Apply(plan.Entries).OrThrow();
        }

        kernel.Reconciler.Remove(plans[..4].SelectMany(p => (Plan[])[p.Entries, p.HostEnd])).OrThrow();
        Assert.Empty(kernel.Reconciler.Diff(plans[4].HostEnd));
        Assert.Empty(kernel.Reconciler.Diff(plans[4].Entries));
        kernel.Reconciler.Remove([plans[4].Entries, plans[4].HostEnd]).OrThrow();

        // Sysctls of a device go with it, which this kernel does not know of links that it was not asked to remove.
        Assert.Equal(shared, kernel.Objects.Where(o => o is not SysctlState { Name: var name } || name.Contains("/lo/", StringComparison.Ordinal)).Select(o => o.Key));
    }

    [Fact]
    public void What_is_gone_already_is_passed_over()
    {
        FakeKernel kernel = new();
        AttachmentPlan plan = Shape.PlanOf(First);
        kernel.Reconciler.Remove([plan.HostEnd, plan.Entries]).OrThrow();
        Assert.Empty(kernel.Objects);
    }

    [Fact]
    public void What_hangs_on_a_qdisc_is_not_removed_one_by_one()
    {
        FakeKernel kernel = Shape.Named("both limits, a flow, programs", "host end").Made();
        kernel.Reconciler.Remove([Shape.PlanOf(First).HostEnd.Only(o => o is not LinkState)]).OrThrow();
        Assert.DoesNotContain(kernel.Changes, change => change.Object is FilterState or ProgramState or ClassState or QueueState);
        Assert.Equal(2, kernel.Changes.Count(change => change.Object is HookState or RootQdiscState));
    }

    [Fact]
    public void What_is_busy_is_tried_again()
    {
        (Shape shape, FakeKernel kernel, FilterState table) = WithWrongTable();
        int refused = 0;
        kernel.Refuse = change => change is { Kind: ChangeKind.Delete } && change.Object.Key == table.Key && refused++ < 3 ? Errno.Busy : null;
        new Reconciler(kernel).Converge(shape.Plan);
        Assert.Equal(4, refused);

        // What is made meanwhile would lead to the busy table, and keep it so.
        Assert.True(kernel.Changes.FindLastIndex(c => c.Kind == ChangeKind.Delete) < kernel.Changes.FindIndex(c => c.Kind == ChangeKind.Create));
        Assert.Empty(kernel.Reconciler.Diff(shape.Plan));
    }

    [Fact]
    public void What_stays_busy_is_a_difference_still()
    {
        (Shape shape, FakeKernel kernel, FilterState table) = WithWrongTable();
        kernel.Refuse = change => change is { Kind: ChangeKind.Delete } && change.Object.Key == table.Key ? Errno.Busy : null;
        kernel.Reconciler.Converge(shape.Plan);
        Assert.Contains(kernel.Reconciler.Diff(shape.Plan), difference => difference.Subject == table.Subject);
    }

    [Theory]
    [InlineData(Errno.NotPermitted)]
    [InlineData(Errno.NoBufferSpace)]
    public void Any_other_refusal_is_an_error(Errno errno)
    {
        (Shape shape, FakeKernel kernel, FilterState table) = WithWrongTable();
        kernel.Refuse = change => change is { Kind: ChangeKind.Delete } && change.Object.Key == table.Key ? errno : null;
        NetlinkException refusal = Assert.Throws<NetlinkException>(() => kernel.Reconciler.Converge(shape.Plan));
        Assert.Equal(errno, refusal.Errno);
    }

    [Fact]
    public void What_is_busy_when_it_is_made_is_an_error()
    {
        Shape shape = Shape.Named("bare", "host end");
        FakeKernel kernel = new() { Refuse = change => change.Object is HookState ? Errno.Busy : null };
        Assert.Throws<NetlinkException>(() => kernel.Reconciler.Converge(shape.Plan));
    }

    private static (Shape Shape, FakeKernel Kernel, FilterState Table) WithWrongTable()
    {
        Shape shape = Shape.Named("bare", "container");
        FakeKernel kernel = shape.Made();
        FilterState table = shape.Plan.Objects.OfType<FilterState>().First(f => f.Filter is U32Table);
        kernel.Put(table with { Filter = (U32Table)table.Filter with { Divisor = 1 } });
        return (shape, kernel, table);
    }

    private static Attachment Numbered(int number) => First with
    {
        Key = First.Key with { ContainerId = $"c{number}" },
        Numbers = new KernelNumbers { HostEnd = 16 + number, ContainerEnd = 2, Slot = number, Flow = 1000 + number },
        Ports = new OwnedPorts
        {
            Slice = new PortRange((ushort)(32768 + (1024 * number)), (ushort)(33791 + (1024 * number))),
            Claims = [new PortClaim(TransportProtocol.Tcp, PortRange.Single((ushort)(31000 + number)))],
        },
    };
}
