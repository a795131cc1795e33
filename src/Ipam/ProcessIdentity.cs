using System.Globalization;
using System.Text.Json.Serialization;

namespace CniIsolator.Ipam;

/// <summary>A process, told apart from a later one with the same id.</summary>
/// <param name="Pid">Process id as seen in this process's /proc.</param>
/// <param name="StartTime">Clock ticks between boot and its start: field 22 of /proc/PID/stat.</param>
[method: JsonConstructor]
public readonly record struct ProcessIdentity(int Pid, ulong StartTime)
{
    public static ProcessIdentity Current =>
        Find(Environment.ProcessId) ?? new ProcessIdentity(Environment.ProcessId, 0);

    /// <summary>Whether this very process still runs; a zombie does not.</summary>
    public bool IsAlive() => Read(Pid) is { Zombie: false } found && found.StartTime == StartTime;

    /// <summary>The process that has this id now, or null.</summary>
    public static ProcessIdentity? Find(int pid) =>
        Read(pid) is { } found ? new ProcessIdentity(pid, found.StartTime) : null;

    private static (ulong StartTime, bool Zombie)? Read(int pid)
    {
        string text;
        try
        {
            text = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
        var fields = text[(text.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length > 19 && ulong.TryParse(fields[19], CultureInfo.InvariantCulture, out var start)
            ? (start, fields[0] is "Z" or "X")
            : null;
    }
}
