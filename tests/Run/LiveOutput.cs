using System.Text.RegularExpressions;

namespace CniIsolator.Run;

/// <summary>What a project prints while it runs: which tests have ended, and which take long. The verdict is the result file's alone.</summary>
public sealed partial class LiveOutput
{
    private const int LastLines = 40;

    private readonly Lock _lock = new();
    private readonly Queue<string> _last = new();
    private readonly Dictionary<string, string> _long = new(StringComparer.Ordinal);
    private int _ended;
    private string _note = "";

    /// <summary>How many tests have ended so far.</summary>
    public int Ended
    {
        get
        {
            lock (_lock)
            {
                return _ended;
            }
        }
    }

    /// <summary>What a test says of itself with "progress: ..."; empty where it says nothing.</summary>
    public string Note
    {
        get
        {
            lock (_lock)
            {
                return _note;
            }
        }
    }

    /// <summary>The last lines, for a project that leaves nothing else.</summary>
    public string Tail
    {
        get
        {
            lock (_lock)
            {
                return string.Join('\n', _last);
            }
        }
    }

    /// <summary>Tests that were running for long when last heard of.</summary>
    public IReadOnlyList<string> StillRunning
    {
        get
        {
            lock (_lock)
            {
                return [.. _long.Values];
            }
        }
    }

    /// <summary>Takes a line in; whether it shows that something went on.</summary>
    public bool Add(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        lock (_lock)
        {
            if (LongRunning().Match(line) is { Success: true } waiting)
            {
                // That one goes on and on is no progress.
                _long[waiting.Groups[1].Value] = $"{waiting.Groups[1].Value}, for {waiting.Groups[2].Value}";
                return false;
            }

            _last.Enqueue(line);
            if (_last.Count > LastLines)
            {
                _last.Dequeue();
            }

            if (TestEnd().Match(line) is { Success: true } ended)
            {
                _ended++;
                _note = "";
                _long.Remove(ended.Groups[1].Value);
            }
            else if (line.StartsWith("progress: ", StringComparison.Ordinal))
            {
                _note = line["progress: ".Length..];
            }

            return line.Length > 0;
        }
    }

    [GeneratedRegex(@"^  (?:Passed|Failed|Skipped) (.+) \[[^\]]+\]$")]
    private static partial Regex TestEnd();

    [GeneratedRegex(@"\[Long Running Test\] '(.+)', Elapsed: (\S+)")]
    private static partial Regex LongRunning();
}
