namespace CniIsolator.Run.Tests;

/// <summary>Result files of real runs, of which only what nobody reads was taken out.</summary>
internal static class Sample
{
    /// <summary>
    /// Six tests: one is skipped, and one fails with a message that looks like the end of its element, another result, and the last line of all.
    /// </summary>
    public static string Ordinary => Of("ordinary.trx");

    /// <summary>A test has ended the process.</summary>
    public static string Crash => Of("crash.trx");

    private static string Of(string name) => Path.Combine(AppContext.BaseDirectory, "Samples", name);
}
