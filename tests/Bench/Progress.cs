namespace CniIsolator.Bench;

/// <summary>Tells on stderr how far the run has come.</summary>
internal static class Progress
{
    private const int Step = 20;

    public static void Say(string text) => Console.Error.WriteLine($"[{DateTime.Now:HH:mm:ss}] {text}");

    /// <summary>Every so often, so that a log stays readable.</summary>
    public static void Count(string what, int done, int all)
    {
        if (done % Step == 0)
        {
            Say($"  {what} {done}/{all}");
        }
    }
}
