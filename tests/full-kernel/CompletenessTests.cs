extern alias plugin;

using CniIsolator.DataPath;
using CniIsolator.Lifecycle.Tests.Completeness;
using plugin::CniIsolator.KernelState.Objects;

namespace CniIsolator.FullKernel.Tests;

/// <summary>
/// What only a kernel with fq_codel has of a plan is named and mended as well: queues behind limits, and the queue of each container on the master.
/// What every kernel has is a test of the lifecycle's.
/// </summary>
public sealed class CompletenessTests
{
    [Theory]
    [InlineData("container", 4)]
    [InlineData("host end", 4)]
    [InlineData("shared", 20)]
    [InlineData("entries", 4)]
    public void Whatever_somebody_takes_or_changes_of_a_queue_is_named_and_mended_and_nothing_else_is_changed(string part, int atLeast)
    {
        using Scene scene = new();
        IReadOnlyList<string> before = scene.Snapshot();
        int count = 0;
        foreach (KernelObject planned in Tampering.Sample(scene.Parts[part]).Where(IsOfQueues))
        {
            foreach (Tampering tampering in Tampering.Of(planned))
            {
                tampering.Do(scene);
                scene.AssertMended(planned, tampering, isShared: part == "shared");
                count++;
            }
        }

        Assert.True(count >= atLeast, $"only {count} ways to tamper with the queues of the {part}");
        scene.AssertUnchanged(before);
    }

    private static bool IsOfQueues(KernelObject one) =>
        one is QueueState or FlowQdiscState || (one is FilterState filter && filter.Filter.At.Parent == UniqueFlows.Qdisc);
}
