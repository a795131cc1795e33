using System.Runtime.ExceptionServices;

namespace CniIsolator.Bench.Traffic;

/// <summary>One side of a conversation: a thread on a processor of its own, whose failure comes out when it is joined.</summary>
internal sealed class Side : IDisposable
{
    private readonly Thread _thread;
    private ExceptionDispatchInfo? _failure;

    public Side(int processor, Action action)
    {
        _thread = new Thread(() =>
        {
            try
            {
                Processor.Bind(processor);
                action();
            }
            catch (Exception e)
            {
                _failure = ExceptionDispatchInfo.Capture(e);
            }
        });
        _thread.Start();
    }

    public void Join()
    {
        _thread.Join();
        _failure?.Throw();
    }

    public void Dispose() => _thread.Join();
}
