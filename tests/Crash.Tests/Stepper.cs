using System.Runtime.InteropServices;
using CniIsolator.Testbed;

namespace CniIsolator.Crash.Tests;

/// <summary>The program of stepper.c, which runs the plugin's binary step by step from outside.</summary>
public static class Stepper
{
    /// <summary>What a shell would give for a command that SIGKILL ended.</summary>
    public const int Killed = 128 + 9;

    // Seconds without any progress. Less than half the bound of a plugin's run, so that it is the stepper who ends what hangs, with all its threads.
    private const string Limit = "50";

    private static readonly Lazy<string> Built = new(Build);

    /// <summary>The program; the first use compiles it.</summary>
    /// <exception cref="InvalidOperationException">There is no compiler, or another processor than the one whose registers it knows.</exception>
    public static string Program => Built.Value;

    /// <summary>The words before the plugin's binary.</summary>
    /// <param name="under">The directory whose files count.</param>
    /// <param name="report">Where the steps are written to.</param>
    /// <param name="mode">"list", "kill N", "halt N FILE", "error N ERRNO", "error-from N ERRNO" or "recv-error N ERRNO".</param>
    public static string[] Words(string under, string report, string mode) =>
        [Program, "--under", under, "--report", report, "--limit", Limit, .. mode.Split(' '), "--"];

    /// <summary>The steps of a report; those of a command that was killed end with the last one done.</summary>
    public static List<Step> Read(string report) => [.. File.ReadLines(report).Select(Step.Parse)];

    private static string Build()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            throw new InvalidOperationException($"stepper.c knows the registers of x86-64, not of {RuntimeInformation.ProcessArchitecture}");
        }

        string program = Path.Combine(AppContext.BaseDirectory, "stepper");
        string source = Path.Combine(Repository.Root, "tests", "Crash.Tests", "stepper.c");
        CommandResult.Run("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source).Require();
        CommandResult tried = CommandResult.Run(program, "list", "--", "true");
        return tried.ExitCode == 0 ? program : throw new InvalidOperationException($"the stepper needs ptrace and seccomp: {tried.Error.Trim()}");
    }
}
