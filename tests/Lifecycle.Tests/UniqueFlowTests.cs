using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>A queue for each container on the master, on a kernel that has no such queues: refused, and nothing is left.</summary>
public sealed class UniqueFlowTests
{
    [TheoryWithoutFairQueue]
    [InlineData("root")]
    [InlineData("1:1")]
    public void An_ADD_names_the_feature_that_the_kernel_lacks_and_leaves_nothing(string parent)
    {
        using Bed bed = new();
        NetworkConfig config = Flows(bed).With("egressFlowClassifierParent", parent);
        Namespace container = bed.Container();
        KernelState inside = Bed.Settled(container);
        Bed.Fails(bed.Plugin.Add(container, "c1", config: config), 104, "fq_codel", "CONFIG_NET_SCH_FQ_CODEL", "kernel 3.5");
        Bed.Unchanged(inside, container);
        bed.AssertClean();
        Bed.Fails(bed.Plugin.Status(config), 50, "fq_codel", "CONFIG_NET_SCH_FQ_CODEL", "kernel 3.5");
        bed.Plugin.Add(container, "c1").Require();
    }

    [FactWithoutFairQueue]
    public async Task Neighbours_without_a_queue_of_their_own_are_not_disturbed()
    {
        using Bed bed = new();
        NetworkConfig limited = LimitTests.With(bed.Config.WithPorts(31005), "\"egressRateLimitPerContainer\":10000000");
        Namespace first = bed.Container();
        bed.Plugin.Add(first, "c1", config: limited).Require();
        KernelState host = Bed.Settled(bed.Host);
        KernelState neighbour = Bed.Settled(first);
        string note = File.ReadAllText(Path.Combine(bed.Store, "host.json"));
        Bed.Fails(bed.Plugin.Add(bed.Container(), "c2", config: Flows(bed)), 104, "fq_codel");
        Bed.Unchanged(host, bed.Host);
        Bed.Unchanged(neighbour, first);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(note), JsonNode.Parse(File.ReadAllText(Path.Combine(bed.Store, "host.json")))), "the note of the host has changed");
        Assert.Single(bed.Records);
        bed.Plugin.Check(first, "c1", config: limited).Require();
        await bed.AssertReachableAsync(first, 31005);

        Namespace third = bed.Added("c3", 31006);
        await bed.AssertReachableAsync(third, 31006);
        bed.Plugin.Del(third, "c3").Require();
        bed.Plugin.Del(first, "c1").Require();
        bed.AssertClean();
    }

    private static NetworkConfig Flows(Bed bed) => bed.Config.With("egressUniqueFlowPerContainer", true);
}

/// <summary>A test of what happens where the kernel has no fq_codel.</summary>
public sealed class FactWithoutFairQueueAttribute : FactAttribute
{
    public FactWithoutFairQueueAttribute()
    {
        if (LimitTests.HasFairQueue)
        {
            Skip = "the kernel has fq_codel";
        }
    }
}

/// <inheritdoc cref="FactWithoutFairQueueAttribute"/>
public sealed class TheoryWithoutFairQueueAttribute : TheoryAttribute
{
    public TheoryWithoutFairQueueAttribute()
    {
        if (LimitTests.HasFairQueue)
        {
            Skip = "the kernel has fq_codel";
        }
    }
}
