using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using CniIsolator.Testbed;
using Xunit.Abstractions;

namespace CniIsolator.Crash.Tests;

/// <summary>All steps of a command with all that may come after each: run by several workers, each on a host of its own, and shown as a table.</summary>
/// <param name="name">Of the table.</param>
/// <param name="makeScene">A host.</param>
/// <param name="cell">Plays one cell on the host; returns what is to be said about it, and throws what went wrong.</param>
public sealed class Grid(string name, Func<Scene> makeScene, Func<Scene, Step, string, string> cell)
{
    // More than processors: most of the time the kernel waits for a grace period of its own.
    private const int Workers = 8;

    // Each costs a new host; by then there is enough to look at.
    private const int MostFaults = 60;

    private static readonly TimeSpan Telling = TimeSpan.FromSeconds(10);

    // "ADD kill 40 GC" plays just that cell.
    private static readonly string? Only = Environment.GetEnvironmentVariable("CRASH_CELL");

    private readonly ConcurrentDictionary<(Step, string), string> _cells = new();
    private readonly ConcurrentQueue<string> _faults = new();

    /// <summary>Plays every cell that is wanted; fails with all that went wrong.</summary>
    /// <param name="rows">The steps.</param>
    /// <param name="columns">What is done at each.</param>
    /// <param name="same">A cell that need not be played, and why; null for one that is.</param>
    /// <param name="output">Where the table goes, beside artifacts/crash.</param>
    public void Play(IReadOnlyList<Step> rows, IReadOnlyList<string> columns, Func<Step, string, string?> same, ITestOutputHelper output)
    {
        ArgumentNullException.ThrowIfNull(output);
        Stopwatch watch = Stopwatch.StartNew();
        ConcurrentQueue<(Step Row, string Column)> waiting = new();
        Likeness likeness = new(rows, Environment.GetEnvironmentVariable("CRASH_CELLS") == "all");
        int spared = 0;
        foreach (Step row in rows)
        {
            string[] wanted = [.. columns.Where(column => same(row, column) is null)];
            foreach (string column in columns)
            {
                if (same(row, column) is { } reason)
                {
                    _cells[(row, column)] = reason;
                }
                else if (likeness.Spared(row, column, wanted) is { } like)
                {
                    _cells[(row, column)] = like;
                    spared++;
                }
                else if (Only is null || Regex.IsMatch(Title(row, column), $"^{Only}$"))
                {
                    waiting.Enqueue((row, column));
                }
            }
        }

        int count = waiting.Count;
        using Timer telling = new(_ => Tell(count, waiting.Count), null, Telling, Telling);
        Thread[] workers = [.. Enumerable.Range(0, Workers).Select(_ => new Thread(() => Work(waiting)))];
        Array.ForEach(workers, worker => worker.Start());
        Array.ForEach(workers, worker => worker.Join());
        string summary = $"{name}: {rows.Count} steps, {count} cells played, {spared} like others, {_faults.Count} bad, {watch.Elapsed.TotalSeconds:0} s";
        string table = Table(rows, columns, summary);
        string directory = Path.Combine(Repository.Root, "artifacts", "crash");
        Directory.CreateDirectory(directory);
        File.WriteAllText(Path.Combine(directory, $"{name.Replace(' ', '-')}.md"), table);
        output.WriteLine(table);
        Assert.True(_faults.IsEmpty, $"{summary}\n{string.Join("\n", _faults.Order(StringComparer.Ordinal))}");
    }

    /// <summary>For whoever waits for the tests: a grid takes long, and says nothing until it has ended.</summary>
    private void Tell(int count, int waiting) => Console.WriteLine($"progress: {name}: {count - waiting} of {count} cells");

    private string Title(Step row, string column) => $"{name} {(row.IsReceive ? "r" : "")}{row.Number} {column}";

    private void Work(ConcurrentQueue<(Step Row, string Column)> waiting)
    {
        Scene? scene = null;
        try
        {
            while (_faults.Count < MostFaults && waiting.TryDequeue(out (Step Row, string Column) next))
            {
                try
                {
                    scene ??= makeScene();
                    string said = cell(scene, next.Row, next.Column);
                    _cells[next] = said.Length == 0 ? "ok" : $"ok: {said.Replace("|", "\\|", StringComparison.Ordinal).Replace('\n', ' ')}";
                }
                catch (Exception e)
                {
                    _cells[next] = "**BAD**";
                    _faults.Enqueue($"{Title(next.Row, next.Column)} ({next.Row.What}): {e.Message}\n  again: CRASH_CELL='{Title(next.Row, next.Column)}'");
                    scene?.Dispose();
                    scene = null;
                }
            }

            scene?.RequireCompletelyUnchanged();
        }
        catch (Exception e)
        {
            _faults.Enqueue($"{name}: {e.Message}");
        }
        finally
        {
            scene?.Dispose();
        }
    }

    private string Table(IReadOnlyList<Step> rows, IReadOnlyList<string> columns, string summary)
    {
        StringBuilder text = new($"{summary}\n\n| step | what | {string.Join(" | ", columns)} |\n|---|---|{string.Concat(columns.Select(_ => "---|"))}\n");
        foreach (Step row in rows)
        {
            text.Append($"| {(row.IsReceive ? "r" : "")}{row.Number} | {row.What.Replace("|", "\\|", StringComparison.Ordinal)} |");
            foreach (string column in columns)
            {
                text.Append($" {_cells.GetValueOrDefault((row, column), "not played")} |");
            }

            text.Append('\n');
        }

        return text.ToString();
    }
}
