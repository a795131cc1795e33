namespace CniIsolator.Crash.Tests;

/// <summary>Finds out which steps a command has.</summary>
public static class Steps
{
    private static readonly bool All = Environment.GetEnvironmentVariable("CRASH_ALL") == "1";

    /// <summary>The steps of one run. Another run must have the same, or a number means nothing.</summary>
    public static List<Step> Of(Target target, bool beside)
    {
        ArgumentNullException.ThrowIfNull(target);
        using Scene scene = new(beside);
        List<Step> first = Listed(scene, target), second = Listed(scene, target);
        Assert.Equal(first, second);
        return first;
    }

    /// <summary>
    /// Those to be tried. Of a run of filters for one place in one datagram, the first two, the last two and some between them stand for all:
    /// the kernel does the same for each. CRASH_ALL=1 tries every one.
    /// </summary>
    /// <param name="steps">All of them, in order.</param>
    /// <param name="every">Which of those between are taken.</param>
    public static Step[] Chosen(IEnumerable<Step> steps, int every)
    {
        List<Step> chosen = [];
        List<Step> run = [];
        foreach (Step step in steps)
        {
            if (run.Count > 0 && (step.Number != run[^1].Number + 1 || Place(step) is null || Place(step) != Place(run[^1])))
            {
                chosen.AddRange(Sample(run, every));
                run.Clear();
            }

            run.Add(step);
        }

        chosen.AddRange(Sample(run, every));
        return [.. chosen];
    }

    private static IEnumerable<Step> Sample(List<Step> run, int every) =>
        run.Where((_, index) => All || index < 2 || index >= run.Count - 2 || index % every == 0);

    /// <summary>What filters have in common; null for anything else.</summary>
    private static string? Place(Step step) =>
        step.What.Contains("TFILTER", StringComparison.Ordinal) && step.Kind == "change" ? step.What[..step.What.IndexOf(" handle", StringComparison.Ordinal)] : null;

    private static List<Step> Listed(Scene scene, Target target)
    {
        scene.Begin();
        target.Prepare(scene);
        (Outcome outcome, List<Step> steps) = scene.Stepped("list", target.Run);
        Assert.True(outcome.ExitCode == 0, $"{target.Name}: {outcome}");
        scene.CleanUp();
        return steps;
    }
}
