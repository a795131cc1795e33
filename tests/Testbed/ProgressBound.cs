using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace CniIsolator.Testbed;

/// <summary>
/// Tells a process that hangs from one that a busy machine keeps waiting: what still gets processor time, or is woken up now and then, goes on,
/// however long it takes. It and all that it started count together.
/// </summary>
/// <param name="process">The process's id.</param>
/// <param name="limit">How long nothing of it may move.</param>
public sealed partial class ProgressBound(int process, TimeSpan limit)
{
    /// <summary>What runs in circles moves as well: an end to that, in limits.</summary>
    private const int MostLimits = 10;

    // The first look comes late, so that a command of some milliseconds costs none.
    private const int LooksInLimit = 4;

    private static readonly Lazy<bool> HasPressure = new(() => File.Exists("/proc/pressure/cpu"));

    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private TimeSpan _moved;

    /// <summary>What the last look saw: the same only if nothing has moved.</summary>
    public string Seen { get; private set; } = "";

    /// <summary>How often to ask.</summary>
    public TimeSpan Interval => limit / LooksInLimit;

    /// <summary>Looks, and tells whether nothing has moved for the limit.</summary>
    public bool IsExceeded()
    {
        TimeSpan now = _watch.Elapsed;
        string seen = Movement();
        if (seen != Seen)
        {
            (Seen, _moved) = (seen, now);
        }

        return now - _moved >= limit || now >= MostLimits * limit;
    }

    /// <summary>
    /// A time during which some process of the machine waited for a processor, as the kernel measures it; zero where it does not. Waiting for
    /// something in general, that much of the time was not the awaited's fault.
    /// </summary>
    public static TimeSpan MachineStalled() => HasPressure.Value
        && Stalled().Match(File.ReadAllText("/proc/pressure/cpu")) is { Success: true } found
            ? TimeSpan.FromMicroseconds(long.Parse(found.Groups[1].ValueSpan, CultureInfo.InvariantCulture))
            : TimeSpan.Zero;

    /// <summary>Processor time, and how often each thread was put to sleep: equal only if none of them ran in between.</summary>
    private string Movement()
    {
        ILookup<int, int> children = Children();
        List<int> all = [process];
        for (int i = 0; i < all.Count; i++)
        {
            all.AddRange(children[all[i]]);
        }

        return string.Join(' ', all.Select(id => $"{id}:{ProcessorTime(id)}:{Switches(id)}"));
    }

    private static ILookup<int, int> Children() => Directory.EnumerateDirectories("/proc").Select(path => Path.GetFileName(path))
        .Where(name => char.IsAsciiDigit(name[0])).Select(name => int.Parse(name, CultureInfo.InvariantCulture))
        .ToLookup(id => Stat(id) is [_, var parent, ..] ? int.Parse(parent, CultureInfo.InvariantCulture) : 0);

    private static string ProcessorTime(int id) => Stat(id) is { Length: > 12 } fields ? $"{fields[11]}+{fields[12]}" : "";

    private static long Switches(int id)
    {
        try
        {
            return Directory.EnumerateDirectories($"/proc/{id}/task").Select(task => File.ReadAllText(Path.Combine(task, "status")))
                .Sum(status => CountOfSwitches().Matches(status)
                .Sum(match => long.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture)));
        }
        catch (IOException)
        {
            return 0; // It has ended, which is a movement as well.
        }
    }

    /// <summary>What stands behind the name: state, parent and so on. Empty for a process that has ended.</summary>
    private static string[] Stat(int id)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{id}/stat");
            return stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        }
        catch (IOException)
        {
            return [];
        }
    }

    [GeneratedRegex(@"ctxt_switches:\s+(\d+)")]
    private static partial Regex CountOfSwitches();

    [GeneratedRegex(@"^some .*total=(\d+)")]
    private static partial Regex Stalled();
}
