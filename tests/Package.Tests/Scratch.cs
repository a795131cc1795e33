using System.Globalization;
using CniIsolator.Testbed;

namespace CniIsolator.Package.Tests;

/// <summary>A temporary directory of the test's own, named so that <see cref="Leftovers"/> finds it after a killed run.</summary>
public sealed class Scratch : IDisposable
{
    private static int _count;

    public Scratch(string role)
    {
        int number = Interlocked.Increment(ref _count);
        Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"pmit-{Environment.ProcessId}-{role}{number}"));
        Directory.CreateDirectory(Path);
    }

    public string Path { get; }

    public string At(string name) => System.IO.Path.Combine(Path, name.TrimStart('/'));

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
