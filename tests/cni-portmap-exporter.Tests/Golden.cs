namespace CniIsolator.Exporter.Tests;

/// <summary>Texts that were checked by eye once, and with the format's own tool where there is one.</summary>
internal static class Golden
{
    internal static void Compare(string name, string actual) =>
        Assert.Equal(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Golden", name)), actual);
}
