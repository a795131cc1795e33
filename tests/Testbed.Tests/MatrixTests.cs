namespace CniIsolator.Testbed.Tests;

public sealed class MatrixTests
{
    [Fact]
    public async Task Without_isolation_exactly_the_probes_that_must_fail_are_found_wrong()
    {
        using Topology topology = new();

        // Two "containers" that are the host itself: every way is open, also the one that must not be.
        IReadOnlyList<MatrixCase> cases = await ProbeMatrix.RunAsync(
            topology, new MatrixContainer("C1", topology.Host, 31000), new MatrixContainer("C2", topology.Host, 31001), new MatrixOptions { Bulk = false });
        Assert.Equal(38, cases.Count);
        Assert.Equal(
            ["Tcp OUT->C1 on a port it does not own", "Udp OUT->C1 on a port it does not own"],
            cases.Where(one => !one.Ok).Select(one => one.Name));
        Assert.Contains("FAIL Tcp OUT->C1", ProbeMatrix.Failures(cases), StringComparison.Ordinal);
        Assert.True(Softirq.WaitForQuiet(topology));
    }
}
