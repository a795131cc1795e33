namespace CniIsolator.Crash.Tests;

/// <summary>Finds out which steps a command has.</summary>
public static class Steps
{
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
    /// Those to halt at: of a run of filters for one place, which the kernel gets in one datagram, the first two and the last two. A halt behind
    /// any of them is one behind the whole datagram.
    /// </summary>
    public static Step[] ToHaltAt(IEnumerable<Step> steps)
    {
        List<Step> chosen = [];
        List<Step> run = [];
        foreach (Step step in steps)
        {
            if (run.Count > 0 && (step.Number != run[^1].Number + 1 || Place(step) is null || Place(step) != Place(run[^1])))
            {
                chosen.AddRange(Ends(run));
                run.Clear();
            }

            run.Add(step);
        }

        chosen.AddRange(Ends(run));
        return [.. chosen];
    }

    private static IEnumerable<Step> Ends(List<Step> run) => run.Where((_, index) => index < 2 || index >= run.Count - 2);

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
