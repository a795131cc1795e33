using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState.Tests;

/// <summary>Whatever is missing or otherwise is named, is put back, and nothing else is touched: for every attribute of every object of every plan.</summary>
public sealed class DifferenceTests
{
    [Theory]
    [MemberData(nameof(Shape.Names), MemberType = typeof(Shape))]
    public void What_is_missing_is_named_and_made_again(string name)
    {
        Shape shape = Shape.Named(name);
        FakeKernel kernel = shape.Made();
        Reconciler reconciler = kernel.Reconciler;
        foreach (KernelObject planned in shape.Plan.Objects.Where(o => o is not PlainQueueState))
        {
            HashSet<ObjectKey> gone = [.. kernel.Take(planned).Select(o => o.Key)];
            Assert.Contains(planned.Key, gone);
            IReadOnlyList<Difference> differences = reconciler.Diff(shape.Plan);
            Assert.Equal(Known.Missed([.. shape.Plan.Objects.Where(o => gone.Contains(o.Key))]), differences);
            bool isNamed = differences.Any(d => d.Subject.EndsWith(planned.Subject, StringComparison.Ordinal));
            Assert.True(isNamed || Known.MayLack(planned) || planned is LinkState { IsMadeWithVeth: true }, $"nobody says that {planned.Subject} is missing");

            kernel.Changes.Clear();
            reconciler.Converge(shape.Plan);
            Assert.Empty(reconciler.Diff(shape.Plan));
            Assert.All(kernel.Changes, change => Assert.Equal(ChangeKind.Create, change.Kind));
            Assert.Equal(gone.ToHashSet(), [.. kernel.Changes.Select(change => change.Object.Key).Where(key => gone.Contains(key))]);
            Assert.DoesNotContain(kernel.Changes, change => !gone.Contains(change.Object.Key) && change.Object is not PlainQueueState);
        }
    }

    [Theory]
    [MemberData(nameof(Shape.Names), MemberType = typeof(Shape))]
    public void What_is_otherwise_is_named_and_set_right(string name)
    {
        Shape shape = Shape.Named(name);
        FakeKernel kernel = shape.Made();
        Reconciler reconciler = kernel.Reconciler;
        foreach (KernelObject planned in shape.Plan.Objects)
        {
            foreach (Alteration alteration in Alteration.Of(planned))
            {
                kernel.Put(alteration.Wrong);
                kernel.Changes.Clear();
                if (Known.IsHarmless(planned))
                {
                    AssertLeft(reconciler, kernel, shape.Plan);
                }
                else
                {
                    AssertNamed(planned, alteration, reconciler.Diff(shape.Plan));
                    AssertMended(planned, alteration, reconciler, kernel, shape.Plan);
                }

                PutBack(kernel, planned);
            }
        }
    }

    [Theory]
    [InlineData("both limits, a flow, programs")]
    [InlineData("bare")]
    public void A_shared_table_that_is_made_anew_takes_the_entries_in_it_which_come_back_with_their_own_plan(string attachment)
    {
        Shape shape = Shape.Named(attachment, "entries");
        foreach (FilterState planned in shape.Ground.Objects.OfType<FilterState>().Where(f => f.Filter is U32Table { Divisor: > 1 }))
        {
            FakeKernel kernel = shape.Made();
            Reconciler reconciler = kernel.Reconciler;
            kernel.Put(planned with { Filter = (U32Table)planned.Filter with { Divisor = 1 } });
            reconciler.Converge(shape.Ground);
            Assert.Empty(reconciler.Diff(shape.Ground));
            reconciler.Converge(shape.Plan);
            Assert.Empty(reconciler.Diff(shape.Plan));
            Assert.Empty(reconciler.Diff(shape.Ground));
        }
    }

    private static void AssertNamed(KernelObject planned, Alteration alteration, IReadOnlyList<Difference> differences)
    {
        Difference difference = Assert.Single(differences);
        Assert.Equal(Known.SubjectOf(planned, alteration.Attribute), difference.Subject);
        Assert.NotEqual(difference.Expected, difference.Found);
    }

    private static void AssertMended(KernelObject planned, Alteration alteration, Reconciler reconciler, FakeKernel kernel, Plan plan)
    {
        if (Known.IsLeft(planned, alteration))
        {
            Assert.Throws<IsolationException>(() => reconciler.Converge(plan));
            Assert.Empty(kernel.Changes);
        }
        else if (!Known.IsFollowed(planned))
        {
            reconciler.Converge(plan);
            Assert.Empty(reconciler.Diff(plan));
            HashSet<ObjectKey> touched = Known.TouchedWith(planned, plan);
            Assert.DoesNotContain(kernel.Changes, change => !touched.Contains(change.Object.Key) && change.Object is not PlainQueueState);
        }
    }

    private static void AssertLeft(Reconciler reconciler, FakeKernel kernel, Plan plan)
    {
        Assert.Empty(reconciler.Diff(plan));
        reconciler.Converge(plan);
        Assert.DoesNotContain(kernel.Changes, change => change.Object is not PlainQueueState);
    }

    private static void PutBack(FakeKernel kernel, KernelObject planned)
    {
        if (planned is not PlainQueueState)
        {
            kernel.Put(planned);
        }
    }
}
