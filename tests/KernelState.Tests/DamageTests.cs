using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Plans;

namespace CniIsolator.KernelState.Tests;

/// <summary>Whatever is damaged at once, the way leads to the plan, and then there is nothing to do.</summary>
public sealed class DamageTests
{
    private const int Rounds = 40;

    [Theory]
    [MemberData(nameof(Shape.Names), MemberType = typeof(Shape))]
    public void Any_damage_is_mended_in_one_go(string name)
    {
        Shape shape = Shape.Named(name);
        for (int seed = 0; seed < Rounds; seed++)
        {
            FakeKernel kernel = shape.Made();
            Damage(kernel, shape.Plan, new Random(seed));
            kernel.Reconciler.Converge(shape.Plan);
            IReadOnlyList<Difference> left = kernel.Reconciler.Diff(shape.Plan);
            Assert.True(left.Count == 0, $"seed {seed}: {string.Join("; ", left)}");
            kernel.Changes.Clear();
            kernel.Reconciler.Converge(shape.Plan);
            Assert.DoesNotContain(kernel.Changes, change => change.Object is not PlainQueueState);
        }
    }

    /// <summary>From very little to very much of it. What is left to others is not meant.</summary>
    private static void Damage(FakeKernel kernel, Plan plan, Random random)
    {
        double share = Math.Pow(random.NextDouble(), 3);
        foreach (KernelObject planned in plan.Objects.Where(o => random.NextDouble() < share && !Known.IsFollowed(o)))
        {
            Alteration[] alterations = [.. Alteration.Of(planned).Where(a => !Known.IsLeft(planned, a))];
            if (alterations.Length == 0 || random.Next(2) == 0)
            {
                kernel.Take(planned);
            }
            else if (kernel.Find(planned) is not null)
            {
                kernel.Put(alterations[random.Next(alterations.Length)].Wrong);
            }
        }
    }
}
