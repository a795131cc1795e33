using System.Runtime.InteropServices;

namespace CniIsolator.Fuzz;

/// <summary>What the calling thread has used: its own processor time and what it allocated, so that a busy machine does not count.</summary>
public readonly partial record struct Cost(TimeSpan ProcessorTime, long AllocatedBytes)
{
    /// <summary>No input may cost more.</summary>
    public static readonly Cost Limit = new(TimeSpan.FromSeconds(1), 64 << 20);

    private const int ThreadProcessorTime = 3; // CLOCK_THREAD_CPUTIME_ID

    public static Cost Now
    {
        get
        {
            _ = GetTime(ThreadProcessorTime, out var time);
            return new Cost(TimeSpan.FromTicks((time.Seconds * TimeSpan.TicksPerSecond) + (time.Nanoseconds / 100)), GC.GetAllocatedBytesForCurrentThread());
        }
    }

    public bool Exceeds(Cost limit) => ProcessorTime > limit.ProcessorTime || AllocatedBytes > limit.AllocatedBytes;

    public Cost Since(Cost begin) => new(ProcessorTime - begin.ProcessorTime, AllocatedBytes - begin.AllocatedBytes);

    public override string ToString() => $"{ProcessorTime.TotalMilliseconds:0.0} ms of processor time, {AllocatedBytes / 1024.0 / 1024.0:0.0} MB allocated";

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out TimeSpecification time);

    private struct TimeSpecification
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
