using System.Diagnostics;
using System.Text.Json;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Shaping;

/// <summary>
/// Runs <see cref="Isolation"/> on a kernel that has fq_codel: this program starts itself inside user-mode Linux, where it leaves its results in
/// a file. In there everything is one process, as starting another is slow.
/// </summary>
internal static class Guest
{
    private const string Argument = "--inside-guest";
    private const string QuickArgument = "quick";

    /// <summary>Starts the guest, and returns what was measured in it.</summary>
    /// <exception cref="InvalidOperationException">It failed; what it said is on stderr.</exception>
    public static IReadOnlyList<IsolationRow> Run(Options options)
    {
        Progress.Say("a guest whose kernel has fq_codel");

        // The one place that both can see and the guest can write to.
        string file = Path.Combine(Repository.Root, "artifacts", $"guest-{Environment.ProcessId}.json");
        string program = Path.Combine(AppContext.BaseDirectory, "CniIsolator.Bench.dll");

        // Ahead of whatever else the machine does: while it waits for a processor, all that is inside stands still.
        ProcessStartInfo start = new(
            "nice",
            [
                "--adjustment=-10", Path.Combine(Repository.Root, "tests", "full-kernel", "boot.sh"),
                "dotnet", program, Argument, file, .. options.Quick ? [QuickArgument] : Array.Empty<string>(),
            ]);
        try
        {
            using Process guest = Process.Start(start)!;
            guest.WaitForExit();
            return guest.ExitCode == 0
                ? JsonSerializer.Deserialize<IsolationRow[]>(File.ReadAllText(file))!
                : throw new InvalidOperationException($"the guest ended with exit code {guest.ExitCode}");
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Whether this is the inside, and if so, does its work.</summary>
    public static bool IsInside(string[] arguments)
    {
        if (arguments is not [Argument, var file, ..])
        {
            return false;
        }

        IReadOnlyList<IsolationRow> rows = new Isolation(arguments is [.., QuickArgument]).Run();
        File.WriteAllText(file, JsonSerializer.Serialize(rows));
        return true;
    }
}
