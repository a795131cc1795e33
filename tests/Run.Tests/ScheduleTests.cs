namespace CniIsolator.Run.Tests;

public sealed class ScheduleTests
{
    private static readonly ProjectPlan Free = new("Free.Tests", 1, 1);
    private static readonly ProjectPlan One = new("One.Tests", 1, 1) { Processors = 1 };
    private static readonly ProjectPlan Two = new("Two.Tests", 1, 1) { Processors = 2 };

    private static Expected For(ProjectPlan plan, double seconds, string name = "") =>
        new(name.Length > 0 ? plan with { Project = name } : plan, TimeSpan.FromSeconds(seconds));

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

    [Theory]
    [InlineData(100, 200, 2)]
    [InlineData(100, 50, 0.5)]
    [InlineData(100, 100_000, 10)]
    [InlineData(5, 50, 1)]
    public void Slowness_is_told_by_what_took_long_enough_to_tell(double expected, double took, double slowness) =>
        Assert.Equal(slowness, Schedule.Slowness([(TimeSpan.FromSeconds(expected), TimeSpan.FromSeconds(took))]));

    [Fact]
    public void Every_part_may_run_by_itself_and_has_a_name_of_its_own()
    {
        List<TestProject> projects = TestProject.Find(Testbed.Repository.Root);
        Assert.NotEmpty(projects);
        Assert.Equal(projects.Select(one => one.Name).Distinct(), projects.Select(one => one.Name));
        Assert.All(projects, one => Assert.NotNull(Schedule.Next([new Expected(one.Plan, TimeSpan.FromSeconds(1))], [], 1)));
        Assert.Contains(projects, one => one.Plan.Script is not null);
    }

    /// <summary>Each class is in one part, those that no part names in the part that names none, and each name is that of a class.</summary>
    [Fact]
    public void The_parts_of_a_project_have_each_class_once()
    {
        IEnumerable<IGrouping<string, TestProject>> projects = TestProject.Find(Testbed.Repository.Root).GroupBy(one => one.Plan.Project);
        foreach (IGrouping<string, TestProject> project in projects.Where(parts => parts.Count() > 1))
        {
            Assert.Single(project, one => one.Plan.Classes.Count == 0);
            string[] named = [.. project.SelectMany(one => one.Plan.Classes)];
            Assert.Equal(named.Distinct(), named);
            string source = Path.Combine(Testbed.Repository.Root, "tests", project.Key);
            Assert.All(named, name => Assert.True(File.Exists(Path.Combine(source, $"{name}.cs")), $"{project.Key} has no {name}"));
            string rest = Plan.Filter(project.Single(one => one.Plan.Classes.Count == 0).Plan)!;
            Assert.Equal(named.Select(name => $"FullyQualifiedName!~.{name}."), rest.Split('&'));
        }
    }
}
