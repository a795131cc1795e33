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
