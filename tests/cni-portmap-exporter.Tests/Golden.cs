using System.Runtime.CompilerServices;

namespace CniIsolator.Exporter.Tests;

/// <summary>
/// Texts that were checked by eye once, and with the format's own tool where there is one. With UPDATE_GOLDEN=1 in the environment a test
/// writes what it got in their place: then look at the difference.
/// </summary>
internal static class Golden
{
    internal static void Compare(string name, string actual, [CallerFilePath] string caller = "")
    {
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1")
        {
            File.WriteAllText(Path.Combine(Path.GetDirectoryName(caller)!, "Golden", name), actual);
        }

        Assert.Equal(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Golden", name)), actual);
    }
}
