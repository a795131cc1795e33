using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Package.Tests.Debian;

/// <summary>The packages of the published programs, made once for all tests.</summary>
public sealed partial class BuiltPackages : IDisposable
{
    private readonly Scratch _scratch = new("deb");

    public BuiltPackages()
    {
        try
        {
            // How well xz does its work is not what is tested, and it takes most of the time.
            CommandResult.RunIn(
                Repository.Root, TimeSpan.FromMinutes(5),
                "env", "DPKG_DEB_COMPRESSOR_TYPE=gzip", "DPKG_DEB_COMPRESSOR_LEVEL=1", "packaging/build.sh", _scratch.Path).Require();
            Plugin = Find(Programs.Plugin);
            Exporter = Find(Programs.Exporter);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The plugin's package.</summary>
    public string Plugin { get; }

    /// <summary>The exporter's package.</summary>
    public string Exporter { get; }

    /// <summary>The directory with everything that was made.</summary>
    public string Directory => _scratch.Path;

    public string Of(string package) => package == Programs.Plugin ? Plugin : Exporter;

    /// <summary>A field of the package's control file; empty where there is none.</summary>
    public string Field(string package, string field) => CommandResult.Run("dpkg-deb", "--field", Of(package), field).Require().Trim();

    /// <summary>What is in the package, but for directories: paths without the leading dot, and modes as ls shows them.</summary>
    public IReadOnlyDictionary<string, string> Files(string package) => CommandResult.Run("dpkg-deb", "--contents", Of(package)).Require().Split('\n')
        .Select(line => Entry().Match(line)).Where(match => match.Success && match.Groups[1].Value[0] != 'd')
        .ToDictionary(match => match.Groups[3].Value, match => $"{match.Groups[1].Value} {match.Groups[2].Value}", StringComparer.Ordinal);

    /// <summary>Unpacks a package, without installing it.</summary>
    public void Unpack(string package, string place) => CommandResult.Run("dpkg-deb", "--extract", Of(package), place).Require();

    public void Dispose() => _scratch.Dispose();

    private string Find(string package) => System.IO.Directory.GetFiles(_scratch.Path, $"{package}_*_amd64.deb").Single();

    // -rwxr-xr-x root/root 14553864 2026-01-01 12:00 ./usr/lib/cni/cni-portmap-isolate
    [GeneratedRegex(@"^(\S{10}) (\S+) +\d+ \S+ \S+ \.(/\S*)")]
    private static partial Regex Entry();
}

/// <summary>All tests of packages share them.</summary>
[CollectionDefinition(Name)]
public sealed class PackageCollection : ICollectionFixture<BuiltPackages>
{
    public const string Name = "packages";
}
