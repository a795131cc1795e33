using CniIsolator.Exporter.Kubernetes;
using CniIsolator.Ipam;

namespace CniIsolator.Exporter.Tests.Kubernetes;

public sealed class SliceCountTests
{
    // Four slices.
    private static readonly NetworkFile Network = new("n", PortSet.Parse("16384-20479"), 1024);

    [Fact]
    public void An_empty_node_has_all_slices() => Assert.Equal(new SliceCount(4, 4), SliceCount.Of(Network, [], PortSet.Empty));

    [Fact]
    public void What_pods_have_is_left_to_the_scheduler_to_subtract() =>
        Assert.Equal(new SliceCount(4, 4), SliceCount.Of(Network, [Pod("a", 1, "16384-17407"), Pod("b", 2, "17408-18431")], PortSet.Empty));

    [Fact]
    public void What_others_have_is_not_there() =>
        Assert.Equal(new SliceCount(4, 3), SliceCount.Of(Network, [Pod("a", 1, "16384-17407"), Held("b", 2, "17408-18431")], PortSet.Empty));

    [Fact]
    public void What_a_process_of_the_host_spoils_is_not_there() => Assert.Equal(new SliceCount(4, 3), SliceCount.Of(Network, [], PortSet.FromPorts(80, 18000)));

    [Fact]
    public void A_pod_with_a_slice_of_twice_the_size_takes_two() =>
        Assert.Equal(new SliceCount(4, 3), SliceCount.Of(Network, [Pod("a", 1, "16384-18431")], PortSet.Empty));

    [Fact]
    public void Pods_with_small_slices_never_make_more_than_there_are() =>
        Assert.Equal(new SliceCount(4, 4), SliceCount.Of(Network, [.. Enumerable.Range(0, 8).Select(i => Pod($"p{i}", i + 1, $"{16384 + (i * 16)}-{16384 + (i * 16) + 15}"))], PortSet.Empty));

    private static Attachment Held(string id, int slot, string slice) =>
        Samples.Attachment(id, slot).Owning(PortRange.Parse(slice)) with { Args = [] };

    private static Attachment Pod(string id, int slot, string slice) => Held(id, slot, slice) with { Args = new() { ["K8S_POD_NAME"] = id } };
}
