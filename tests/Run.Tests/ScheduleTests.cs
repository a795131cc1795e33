namespace CniIsolator.Run.Tests;

public sealed class ScheduleTests
{
    private static readonly ProjectPlan Free = new("Free.Tests", 1, 1);
    private static readonly ProjectPlan One = new("One.Tests", 1, 1) { Processors = 1 };
    private static readonly ProjectPlan Two = new("Two.Tests", 1, 1) { Processors = 2 };

    private static Expected For(ProjectPlan plan, double seconds, string name = "") =>
        new(name.Length > 0 ? plan with { Name = name } : plan, TimeSpan.FromSeconds(seconds));

    [Fact]
    public void Longest_first_and_by_name_among_equals() =>
        Assert.Equal(["c", "a", "b"], Schedule.Order([For(Free, 1, "b"), For(Free, 1, "a"), For(Free, 2, "c")]).Select(one => one.Project.Name));

    [Fact]
    public void Who_would_take_the_processors_from_another_waits_and_lets_others_go_ahead()
    {
        List<Expected> waiting = [For(Two, 100, "two again"), For(Free, 1)];
        Assert.Equal("Free.Tests", Schedule.Next(waiting, [Two], slots: 3)!.Value.Project.Name);
        Assert.Equal("two again", Schedule.Next(waiting, [One], slots: 3)!.Value.Project.Name);
        Assert.Null(Schedule.Next([For(Two, 100, "two again")], [Two], slots: 3));
    }

    [Fact]
    public void There_are_no_more_than_slots()
    {
        Assert.Null(Schedule.Next([For(Free, 1)], [Free, Free], slots: 2));
        Assert.NotNull(Schedule.Next([For(Free, 1)], [Free, Free], slots: 3));
    }

    [Theory]
    [InlineData(1, 60)]
    [InlineData(2, 30)]
    [InlineData(9, 30)]
    public void What_is_left_is_the_schedule_played_in_thought(int slots, double seconds) =>
        Assert.Equal(seconds, Schedule.Left([], [For(Free, 10, "a"), For(Free, 20, "b"), For(Free, 30, "c")], slots).TotalSeconds);

    [Fact]
    public void What_runs_counts_with_its_rest_and_conflicts_make_it_longer()
    {
        Assert.Equal(15, Schedule.Left([For(Two, 5)], [For(Two, 10, "two again")], 3).TotalSeconds);
        Assert.Equal(10, Schedule.Left([For(Two, 5)], [For(One, 10)], 3).TotalSeconds);
        Assert.Equal(0, Schedule.Left([], [], 3).TotalSeconds);
    }

    /// <summary>Else nothing would ever be started.</summary>
    [Fact]
    public void Every_project_of_the_plan_may_run_by_itself_and_is_named_once()
    {
        string[] projects = [.. TestProject.Find(Testbed.Repository.Root).Select(one => one.Name)];
        Assert.NotEmpty(projects);
        Assert.Equal(projects.Distinct(), projects);
        Assert.All(projects, name => Assert.NotNull(Schedule.Next([new Expected(Plan.Of(name), TimeSpan.FromSeconds(1))], [], 1)));
        Assert.Contains(projects, name => Plan.Of(name).Script is not null);
    }
}
