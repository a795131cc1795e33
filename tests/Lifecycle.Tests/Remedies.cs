using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>Follows what "doctor" printed, as an operator does who copies its commands.</summary>
internal static class Remedies
{
    private const string Arrow = "         -> ";

    // What begins otherwise is for a person to read and to decide upon.
    private static readonly string[] Programs = ["cni-portmap-isolate", "tc", "ip", "sysctl", "chmod", "chown", "rm", "modprobe"];

    /// <summary>Faults and warnings, without their remedies.</summary>
    public static List<string> Findings(string told) => [.. Lines(told).Where(IsBad)];

    /// <summary>Commands that are printed for findings that were not there before, each once.</summary>
    public static List<string> Commands(string before, string told)
    {
        List<string> known = Findings(before);
        List<string> commands = [];
        bool isNew = false;
        foreach (string line in Lines(told))
        {
            if (!line.StartsWith(Arrow, StringComparison.Ordinal))
            {
                isNew = IsBad(line) && !known.Contains(line);
            }
            else if (isNew && Array.IndexOf(Programs, line[Arrow.Length..].Split(' ')[0]) >= 0)
            {
                commands.Add(line[Arrow.Length..]);
            }
        }

        return [.. commands.Distinct()];
    }

    /// <summary>
    /// Runs the commands, and asks again what is wrong, as often as given: what an interface loses when it goes down shows only when it is up
    /// again. Then nothing is found that was not there before.
    /// </summary>
    public static void Follow(Bed bed, string before, string told, Func<CommandResult> doctor, int rounds)
    {
        if (rounds == 0)
        {
            return;
        }

        for (int round = 1; round <= rounds; round++)
        {
            List<string> commands = Commands(before, told);
            Assert.True(commands.Count > 0, $"no command in round {round}: {told}");
            foreach (string command in commands)
            {
                CommandResult run = bed.Host.Execute("sh", "-c", command.Replace("cni-portmap-isolate ", bed.Plugin.Binary + " ", StringComparison.Ordinal));
                Assert.True(run.ExitCode == 0 || round < rounds, $"{run}\nprinted by:\n{told}");
            }

            told = doctor().Output;
        }

        Assert.Equal(Findings(before), Findings(told));
    }

    private static bool IsBad(string line) => line.StartsWith("FAULT", StringComparison.Ordinal) || line.StartsWith("warning", StringComparison.Ordinal);

    private static string[] Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
