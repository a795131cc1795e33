using System.Diagnostics;

namespace CniIsolator.Testbed;

/// <summary>Waits for a condition, never for a time alone.</summary>
public static class Wait
{
    /// <summary>
    /// How long the impatient wait. Time in which the machine's processors were asked for more than they have does not count, within bounds.
    /// </summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    // Where the machine never rests, there is an end to it as well.
    private const int MostPatience = 6;

    /// <summary>
    /// True as soon as the condition holds; false if it does not within the limit, or where none is given, within the machine's patience.
    /// </summary>
    public static bool For(Func<bool> condition, TimeSpan? limit = null)
    {
        ArgumentNullException.ThrowIfNull(condition);
        Stopwatch watch = Stopwatch.StartNew();
        TimeSpan stalled = ProgressBound.MachineStalled();
        int pause = 1;
        while (!condition())
        {
            if (watch.Elapsed > (limit ?? Patience) && (limit is not null || IsPatienceOver(watch.Elapsed, stalled)))
            {
                return false;
            }

            Thread.Sleep(pause);
            pause = Math.Min(pause * 2, 50);
        }

        return true;
    }

    /// <summary>The same, with an exception that names what was waited for.</summary>
    public static void Until(Func<bool> condition, string what, TimeSpan? limit = null)
    {
        if (!For(condition, limit))
        {
            throw new TimeoutException($"waited in vain for {what}");
        }
    }

    private static bool IsPatienceOver(TimeSpan waited, TimeSpan stalledBefore) =>
        waited > MostPatience * Patience || waited - (ProgressBound.MachineStalled() - stalledBefore) > Patience;
}
