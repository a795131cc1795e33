using System.Text.RegularExpressions;

namespace CniIsolator.Testbed.Tests;

/// <summary>Tests start only what a new machine has, too: the PATH that tests/path.sh makes has nothing else in it.</summary>
public sealed partial class ProgramPathTests
{
    // Names inside of containers and packages.
    private static readonly string[] NotOfTheMachine = ["/bin/httpd", "/usr/sbin/cni-portmap-isolate", "/usr/sbin/cni-portmap-exporter"];

    [Fact]
    public void What_no_declared_package_brings_is_not_found()
    {
        DirectoryInfo place = Directory.CreateTempSubdirectory();
        try
        {
            string program = Path.Combine(place.CreateSubdirectory("bin").FullName, "undeclared");
            File.WriteAllText(program, "#!/bin/sh\n");
            File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
            string rich = $"PATH={Path.GetDirectoryName(program)}:{Environment.GetEnvironmentVariable("PATH")}";
            Assert.Equal(0, CommandResult.Run("env", rich, "undeclared").ExitCode);

            string made = Path.Combine(place.FullName, "path");
            string script = Path.Combine(Repository.Root, "tests", "path.sh");
            Assert.Equal(made, CommandResult.Run("env", rich, script, "--in", made, "procps:sysctl").Require().Trim());
            foreach (string declared in new[] { "sh", "awk", "jq", "sysctl", "ip", "dotnet" })
            {
                Assert.True(File.Exists(Path.Combine(made, declared)), declared);
            }

            Assert.Equal(0, CommandResult.Run("env", $"PATH={made}", "jq", "--version").ExitCode);
            Assert.Equal(127, CommandResult.Run("env", $"PATH={made}", "undeclared").ExitCode);
            Assert.Equal(127, CommandResult.Run("env", $"PATH={made}", "sh", "-c", "undeclared").ExitCode);
        }
        finally
        {
            place.Delete(recursive: true);
        }
    }

    [UnderMakeFact]
    public void The_whole_run_has_that_PATH_and_no_more() =>
        Assert.Equal(UnderMakeFactAttribute.Place, Environment.GetEnvironmentVariable("PATH"));

    [UnderMakeFact]
    public void A_program_that_tests_name_with_its_directory_is_declared_too()
    {
        string[] sources = [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "tests"), "*.*", SearchOption.AllDirectories)
            .Where(file => file.EndsWith(".cs", StringComparison.Ordinal) || file.EndsWith(".sh", StringComparison.Ordinal))];
        string[] undeclared =
        [
            .. from file in sources
               where Path.GetFileName(file) != "new-machine.sh" && !file.Contains("/obj/", StringComparison.Ordinal)
               from Match match in AbsoluteProgram().Matches(File.ReadAllText(file))
               let path = match.Groups[1].Value
               where !NotOfTheMachine.Contains(path) && !File.Exists(Path.Combine(UnderMakeFactAttribute.Place, Path.GetFileName(path)))
               select $"{Path.GetRelativePath(Repository.Root, file)}: {path}",
        ];
        Assert.Empty(undeclared);
    }

    // As a word of its own: "/usr/bin/time", or at the start of a shell's line.
    [GeneratedRegex("""(?:"|^#!|[\s;&|(])((?:/usr)?/s?bin/[\w.+-]+)(?=["\s;]|$)""", RegexOptions.Multiline)]
    private static partial Regex AbsoluteProgram();
}

/// <summary>A test of what `make test` sets up: skipped where somebody starts tests otherwise.</summary>
public sealed class UnderMakeFactAttribute : FactAttribute
{
    public UnderMakeFactAttribute()
    {
        if (!(Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Contains(Place))
        {
            Skip = "not started by `make test`: the PATH is the machine's own";
        }
    }

    public static string Place { get; } = Path.Combine(Repository.Root, "artifacts", "tools", "path");
}
