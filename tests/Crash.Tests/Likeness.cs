namespace CniIsolator.Crash.Tests;

/// <summary>
/// Which steps are alike, so that not each needs all that may come after it. Two thirds of the steps of an ADD put one filter after another into the
/// same hook. Whoever comes next finds the same store behind all of them, asks the kernel for all filters of the hook, and makes what is missing, or
/// removes what leads to the container. So of such a stretch the first and the last step are played with everything, and each one between with one
/// thing, in turn: every step is played, and every follower comes behind filters of every sort. All other steps are played with everything: files,
/// locks, sysctls, links, addresses, routes, qdiscs and classes.
///
/// Alike are two messages that make (or both remove) a table, or an entry of any table, with the same flags, on the same interface, hook and
/// priority, if no step of any other sort lies between them. CRASH_CELLS=all plays every cell; `make soak` does.
/// </summary>
public sealed class Likeness
{
    private readonly Dictionary<Step, Step> _first = [];
    private readonly Dictionary<Step, int> _turn = [];

    /// <param name="rows">All steps of a grid, in their order.</param>
    /// <param name="all">Whether every cell is to be played.</param>
    public Likeness(IEnumerable<Step> rows, bool all = false)
    {
        ArgumentNullException.ThrowIfNull(rows);
        if (all)
        {
            return;
        }

        int stretch = 0;
        List<(string Sort, Step Step)> filters = [];
        foreach (Step row in rows)
        {
            if (Sort(row) is { } sort)
            {
                filters.Add(($"{stretch} {sort}", row));
            }
            else if (!row.IsReceive)
            {
                // A receive only reads the answers.
                stretch++;
            }
        }

        int turn = 0;
        foreach (Step[] alike in filters.GroupBy(one => one.Sort, one => one.Step).Select(group => group.ToArray()))
        {
            foreach (Step between in alike.Skip(1).SkipLast(1))
            {
                _first[between] = alike[0];
                _turn[between] = turn++;
            }
        }
    }

    /// <summary>Why this need not be played behind a step: "as N", the first that is like it; null where it is to be played.</summary>
    /// <param name="row">The step.</param>
    /// <param name="column">What comes.</param>
    /// <param name="columns">All that is to come behind this step.</param>
    public string? Spared(Step row, string column, IReadOnlyList<string> columns)
    {
        ArgumentNullException.ThrowIfNull(row);
        ArgumentNullException.ThrowIfNull(columns);
        return _first.TryGetValue(row, out Step? first) && columns[_turn[row] % columns.Count] != column ? $"as {first.Number}" : null;
    }

    /// <summary>What filters have in common that are alike; null for anything else.</summary>
    private static string? Sort(Step step)
    {
        if (step.Kind != "change" || !step.What.Contains("TFILTER", StringComparison.Ordinal))
        {
            return null;
        }

        // RTM_NEWTFILTER CREATE EXCL dev 2 parent fffffff2 handle 61040801 info 706e0008 u32: table, bucket and node are 3, 2 and 3 digits of the
        // handle.
        string[] words = step.What.Split(' ');
        int handle = Array.IndexOf(words, "handle") + 1;
        words[handle] = words[handle].EndsWith("00000", StringComparison.Ordinal) ? "of a table" : "of an entry";
        return string.Join(' ', words);
    }
}
