using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Package.Tests;

/// <summary>What `make build` has made.</summary>
internal static partial class Programs
{
    public const string Plugin = "cni-portmap-isolate";
    public const string Exporter = "cni-portmap-exporter";

    /// <summary>The version of Directory.Build.props, from which the programs have theirs.</summary>
    public static string Version { get; } = VersionElement().Match(File.ReadAllText(Path.Combine(Repository.Root, "Directory.Build.props"))).Groups[1].Value;

    public static string PathOf(string program) => Path.Combine(Repository.Root, "artifacts", "bin", program);

    /// <summary>Neither an interpreter nor a library is asked for.</summary>
    public static void AssertStatic(string path)
    {
        string kind = CommandResult.Run("file", "-b", path).Require();
        Assert.True(kind.Contains("statically linked", StringComparison.Ordinal) || kind.Contains("static-pie linked", StringComparison.Ordinal), $"{path}: {kind}");
    }

    [GeneratedRegex("<Version>(.*)</Version>")]
    private static partial Regex VersionElement();
}
