using System.Diagnostics;
using CniIsolator.Bench.Traffic;

namespace CniIsolator.Bench.Shaping;

/// <summary>
/// Notices when the whole guest stands still because the machine lets others run: then a thread that is ahead of all others, and only
/// sleeps, wakes late. A round trip across such a moment tells nothing about a queue.
/// </summary>
internal sealed class Heartbeat : IDisposable
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(2);

    /// <summary>Longer than the guest's kernel ever works without a break.</summary>
    private static readonly TimeSpan Late = TimeSpan.FromMilliseconds(8);

    private readonly List<(long From, long To)> _gaps = [];
    private readonly Thread _thread;
    private volatile bool _stop;

    public Heartbeat()
    {
        _thread = new Thread(Run) { IsBackground = true };
        _thread.Start();
    }

    /// <summary>Whether the guest stood still at some moment between the two timestamps.</summary>
    public bool Missed(long from, long to)
    {
        lock (_gaps)
        {
            return _gaps.Exists(gap => gap.From < to && gap.To > from);
        }
    }

    public void Dispose()
    {
        _stop = true;
        _thread.Join();
    }

    private void Run()
    {
        Processor.TakePrecedence();
        long last = Stopwatch.GetTimestamp();
        while (!_stop)
        {
            Thread.Sleep(Beat);
            long now = Stopwatch.GetTimestamp();
            if (Stopwatch.GetElapsedTime(last, now) - Beat > Late)
            {
                lock (_gaps)
                {
                    _gaps.Add((last, now));
                }
            }

            last = now;
        }
    }
}
