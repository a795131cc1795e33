namespace CniIsolator.Ipam.Tests;

public class FlowNumberTests
{
    [Fact]
    public void The_first_two_queues_are_nobody_s()
    {
        Assert.Equal(1021, FlowNumber.Count);
        Assert.Equal(3, FlowNumber.Next([]));
        Assert.Equal(3, FlowNumber.Next([Flow(0), Flow(0)]));
    }

    [Theory]
    [InlineData(new[] { 3 }, 4)]
    [InlineData(new[] { 4 }, 3)]
    [InlineData(new[] { 5, 3, 4, 7 }, 6)]
    [InlineData(new[] { 1023, 3, 3 }, 4)]
    public void The_lowest_free_one_is_next(int[] taken, int next) => Assert.Equal(next, FlowNumber.Next(taken.Select(Flow)));

    [Fact]
    public void The_last_one_is_given_and_none_after_it()
    {
        var all = Enumerable.Range(FlowNumber.First, FlowNumber.Count).Select(Flow).ToList();
        Assert.Null(FlowNumber.Next(all));
        Assert.Equal(1023, FlowNumber.Next(all[..^1]));
        Assert.Equal(500, FlowNumber.Next(all.Where(a => a.Numbers.Flow != 500)));
    }

    private static Attachment Flow(int flow) => Samples.Attachment() with { Numbers = Samples.Attachment().Numbers with { Flow = flow } };
}
