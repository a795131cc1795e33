namespace CniIsolator.Exporter.Sampling;

/// <summary>Runs one function at a time; who asks while it runs shares its result, so that many askers cost no more than one.</summary>
internal sealed class SingleFlight<T>(Func<T> function)
{
    private readonly Lock _lock = new();
    private Task<T>? _running;

    public Task<T> RunAsync()
    {
        lock (_lock)
        {
            // One that has ended is old, even if nobody asked since.
            return _running is { IsCompleted: false } running ? running : _running = Task.Run(function);
        }
    }
}
