namespace CniIsolator.Crash.Tests;

public sealed class LikenessTests
{
    private static readonly string[] Columns = ["a", "b", "c"];

    private static readonly Step[] Stretch =
    [
        Step(1, "file", "rename store/x"), Filter(2, "61000000"), Filter(3, "61100000"), Filter(4, "61200000"), Filter(5, "62000000"), Filter(6, "61040801"),
        Filter(7, "62040801"), Filter(8, "1"), Filter(9, "61041801"), Step(10, "change", "RTM_NEWLINK dev 3"),
    ];

    [Fact]
    public void The_first_and_the_last_are_played_with_everything_and_those_between_with_one_thing_each()
    {
        Assert.Equal([1, 2, 5, 6, 9, 10], Stretch.Where(step => Played(Stretch, step).SequenceEqual(Columns)).Select(step => step.Number));
        Assert.All(new[] { 3, 4, 7, 8 }, number => Assert.Single(Played(Stretch, Stretch[number - 1])));
        Assert.Equal(Columns, new[] { 3, 4, 7, 8 }.SelectMany(number => Played(Stretch, Stretch[number - 1])).Distinct().Order());
        Assert.Equal("as 6", new Likeness(Stretch).Spared(Stretch[6], Columns.Except(Played(Stretch, Stretch[6])).First(), Columns));
    }

    [Theory]
    [InlineData("RTM_NEWTFILTER CREATE EXCL dev 3 parent fffffff2 handle 61200000 info 706e0008 u32")]
    [InlineData("RTM_NEWTFILTER CREATE EXCL dev 2 parent fffffff3 handle 61200000 info 706e0008 u32")]
    [InlineData("RTM_NEWTFILTER CREATE EXCL dev 2 parent fffffff2 handle 61200000 info 706d0608 u32")]
    [InlineData("RTM_DELTFILTER dev 2 parent fffffff2 handle 61200000 info 706e0008 u32")]
    public void Another_interface_hook_priority_or_a_removal_is_not_alike(string what)
    {
        Step[] steps = [Filter(1, "61000000"), Step(2, "change", what), Filter(3, "61100000")];
        Assert.All(steps, step => Assert.Equal(Columns, Played(steps, step)));
    }

    [Fact]
    public void A_step_of_another_sort_between_ends_it_but_an_answer_that_is_read_does_not()
    {
        Step[] steps = [Filter(1, "61000000"), Filter(2, "61100000"), Step(3, "file", "write store/x"), Filter(4, "61200000"), Filter(5, "61300000")];
        Assert.All(steps, step => Assert.Equal(Columns, Played(steps, step)));
        steps[2] = Step(1, "receive", "netlink");
        Assert.Equal([2, 4], steps.Where(step => Played(steps, step).Length == 1).Select(step => step.Number));
    }

    [Fact]
    public void All_is_all() => Assert.All(Stretch, step => Assert.All(Columns, column => Assert.Null(new Likeness(Stretch, all: true).Spared(step, column, Columns))));

    private static string[] Played(Step[] steps, Step step) => [.. Columns.Where(column => new Likeness(steps).Spared(step, column, Columns) is null)];

    private static Step Filter(int number, string handle) =>
        Step(number, "change", $"RTM_NEWTFILTER CREATE EXCL dev 2 parent fffffff2 handle {handle} info 706e0008 u32");

    private static Step Step(int number, string kind, string what) => new(number, kind, true, what);
}
