using System.Globalization;
using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Conf.Tests;

/// <summary>What systemd says of the exporter's service. Nothing is installed or started.</summary>
public sealed partial class ServiceTests : IDisposable
{
    private const string Unit = "cni-portmap-exporter.service";

    private readonly string _directory = Directory.CreateTempSubdirectory("pmit-service-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [SystemdTheory]
    [InlineData(false, 2.5)]
    [InlineData(true, 1.9)]
    public void Systemd_finds_no_fault(bool countersOnly, double exposure)
    {
        // systemd wants the program to be there, and an empty file is all that it looks at.
        string program = Path.Combine(_directory, "program");
        File.WriteAllText(program, "");
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string unit = Path.Combine(_directory, Unit);
        File.WriteAllText(unit, ConfFile.Read($"systemd/{Unit}").Replace("/usr/local/bin/cni-portmap-exporter", program, StringComparison.Ordinal));
        if (countersOnly)
        {
            Directory.CreateDirectory(unit + ".d");
            File.Copy(ConfFile.PathOf($"systemd/{Unit}.d/counters-only.conf"), Path.Combine(unit + ".d", "counters-only.conf"));
        }

        CommandResult verified = CommandResult.Run("systemd-analyze", "verify", "--man=no", unit);
        Assert.True(verified is { ExitCode: 0, Output: "", Error: "" }, verified.ToString());

        // 0 is a service that can do nothing, 10 one that can do everything.
        string judged = CommandResult.Run("systemd-analyze", "security", "--offline=true", "--no-pager", unit).Require();
        Assert.InRange(double.Parse(Exposure().Match(judged).Groups[1].Value, CultureInfo.InvariantCulture), 0, exposure);
    }

    [Theory]
    [InlineData("PrivateNetwork=yes")]
    [InlineData("PrivateUsers=yes")]
    [InlineData("ProcSubset=pid")]
    [InlineData("ProtectProc=invisible")]
    public void What_would_blind_it_is_not_set(string setting) => Assert.DoesNotContain($"\n{setting}\n", ConfFile.Read($"systemd/{Unit}"), StringComparison.Ordinal);

    [GeneratedRegex(@"exposure level for \S+: ([0-9.]+)")]
    private static partial Regex Exposure();
}

/// <summary>A test that needs systemd's own tool, not a running systemd: skipped where there is none.</summary>
public sealed class SystemdTheoryAttribute : TheoryAttribute
{
    public SystemdTheoryAttribute()
    {
        string[] places = ["/usr/bin/systemd-analyze", "/bin/systemd-analyze"];
        if (!places.Any(File.Exists))
        {
            Skip = "needs systemd-analyze";
        }
    }
}
