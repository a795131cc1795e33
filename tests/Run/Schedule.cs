namespace CniIsolator.Run;

/// <summary>A project, and how long it is expected to take from now on.</summary>
public readonly record struct Expected(ProjectPlan Project, TimeSpan Left);

/// <summary>Chooses what to start next. Pure: it neither waits nor starts anything.</summary>
public static class Schedule
{
    /// <summary>Longest first, so that the end is not one long project by itself.</summary>
    public static List<Expected> Order(IEnumerable<Expected> projects) =>
        [.. projects.OrderByDescending(one => one.Left).ThenBy(one => one.Project.Name, StringComparer.Ordinal)];

    /// <summary>The first of those waiting that may run beside all that do; null where there is none, or no slot.</summary>
    public static Expected? Next(IReadOnlyList<Expected> waiting, IReadOnlyCollection<ProjectPlan> running, int slots)
    {
        ArgumentNullException.ThrowIfNull(waiting);
        ArgumentNullException.ThrowIfNull(running);
        if (running.Count >= slots)
        {
            return null;
        }

        foreach (Expected candidate in waiting)
        {
            if (running.All(other => Plan.Conflict(candidate.Project, other) is null))
            {
                return candidate;
            }
        }

        return null;
    }

    /// <summary>By how much this machine, as busy as it is, differs from what was expected: from what has ended, and from what is overdue.</summary>
    /// <param name="seen">How long each was expected to take, and took so far.</param>
    public static double Slowness(IEnumerable<(TimeSpan Expected, TimeSpan Took)> seen)
    {
        ArgumentNullException.ThrowIfNull(seen);
        (TimeSpan Expected, TimeSpan Took)[] all = [.. seen];
        TimeSpan expected = TimeSpan.FromTicks(all.Sum(one => one.Expected.Ticks));
        return expected > Telling ? Math.Clamp(all.Sum(one => one.Took.Ticks) / (double)expected.Ticks, 1 / MostSlowness, MostSlowness) : 1;
    }

    // Projects of a few seconds tell little but how long a process takes to start.
    private static readonly TimeSpan Telling = TimeSpan.FromSeconds(30);

    private const double MostSlowness = 10;

    /// <summary>How long all of it will take: the schedule played in thought.</summary>
    public static TimeSpan Left(IEnumerable<Expected> running, IEnumerable<Expected> waiting, int slots)
    {
        ArgumentNullException.ThrowIfNull(running);
        List<Expected> now = [.. running];
        List<Expected> later = Order(waiting);
        TimeSpan total = TimeSpan.Zero;
        while (true)
        {
            while (Next(later, [.. now.Select(one => one.Project)], slots) is { } next)
            {
                later.Remove(next);
                now.Add(next);
            }

            if (now.Count == 0)
            {
                return total;
            }

            TimeSpan step = now.Min(one => one.Left);
            step = step > TimeSpan.Zero ? step : TimeSpan.Zero;
            total += step;
            now = [.. now.Select(one => one with { Left = one.Left - step }).Where(one => one.Left > TimeSpan.Zero)];
        }
    }
}
