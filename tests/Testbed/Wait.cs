using System.Diagnostics;

namespace CniIsolator.Testbed;

/// <summary>Waits for a condition, never for a time alone.</summary>
public static class Wait
{
    /// <summary>How long the impatient wait: long enough for a busy machine.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>True as soon as the condition holds; false if it does not within the limit.</summary>
    public static bool For(Func<bool> condition, TimeSpan? limit = null)
    {
        ArgumentNullException.ThrowIfNull(condition);
        Stopwatch watch = Stopwatch.StartNew();
        int pause = 1;
        while (!condition())
        {
            if (watch.Elapsed > (limit ?? Patience))
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
}
