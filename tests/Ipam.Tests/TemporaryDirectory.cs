namespace CniIsolator.Ipam.Tests;

/// <summary>A directory of one test, removed when the test ends in whatever way.</summary>
public sealed class TemporaryDirectory : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("ipam-tests-").FullName;

    public string this[string name] => Path.Combine(_path, name);

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
