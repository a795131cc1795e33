namespace CniIsolator.Exporter.Sampling;

/// <summary>What a sample is read from. The names are the values of a metric's label.</summary>
internal enum Source
{
    Store,
    Links,
    Queues,
    Ports,
    Capacity,
    Namespaces,
    Sockets,
    Cgroups,

    /// <summary>Nothing that is read: answers that failed for a reason which was not foreseen.</summary>
    Requests,
}

/// <summary>
/// Counts what could not be read, and says so: a fault that goes on is said once in a while, not with every scrape. Safe for several threads.
/// </summary>
/// <param name="clock">For the time between two times of saying the same.</param>
/// <param name="say">Takes a line.</param>
internal sealed class FaultLog(TimeProvider clock, Action<string> say)
{
    public static readonly TimeSpan Silence = TimeSpan.FromMinutes(5);

    private static readonly Source[] All = Enum.GetValues<Source>();

    private readonly Lock _lock = new();
    private readonly ulong[] _counts = new ulong[All.Length];
    private readonly Said[] _said = new Said[All.Length];

    public static IReadOnlyList<Source> Sources => All;

    /// <summary>Counts a fault, and says it unless it was said of this source a short while ago.</summary>
    /// <param name="source">What could not be read.</param>
    /// <param name="message">Why.</param>
    /// <param name="times">How often.</param>
    public void Add(Source source, string message, ulong times = 1)
    {
        string line;
        lock (_lock)
        {
            _counts[(int)source] += times;
            ref var said = ref _said[(int)source];
            if (said.At is { } at && clock.GetElapsedTime(at) < Silence)
            {
                said.Unsaid++;
                return;
            }

            line = Name(source) + ": " + message + (said.Unsaid > 0 ? $" ({said.Unsaid} faults of this kind were not reported)" : "");
            said = new Said { At = clock.GetTimestamp() };
        }

        say(line);
    }

    /// <summary>Faults of each source since the start, in the order of <see cref="Sources"/>.</summary>
    public ulong[] Counts()
    {
        lock (_lock)
        {
            return [.. _counts];
        }
    }

    /// <summary>As the label's value.</summary>
    public static string Name(Source source) => source.ToString().ToLowerInvariant();

    private struct Said
    {
        public long? At;
        public ulong Unsaid;
    }
}
