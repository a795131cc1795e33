namespace CniIsolator.Exporter.Serving;

/// <summary>
/// Gives back to the host, every half minute, what the runtime keeps of memory that answers took: left to itself it keeps half as much again as it
/// needs, for as long as it runs. One turn takes some milliseconds, and there is none where nothing was asked for.
/// </summary>
internal sealed class MemoryRelease : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    private readonly ITimer _timer;
    private int _collections;

    public MemoryRelease(TimeProvider clock) => _timer = clock.CreateTimer(_ => Release(), null, Interval, Interval);

    public void Dispose() => _timer.Dispose();

    private void Release()
    {
        if (GC.CollectionCount(0) == _collections)
        {
            return;
        }

        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        _collections = GC.CollectionCount(0);
    }
}
