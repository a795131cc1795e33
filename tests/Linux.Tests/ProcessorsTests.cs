using System.Globalization;
using System.Runtime.InteropServices;

namespace CniIsolator.Linux.Tests;

public sealed partial class ProcessorsTests
{
    // As many as glibc's cpu_set_t has; the kernel may have fewer.
    private const int MaskBytes = 128;

    private static int Expected => File.ReadAllText("/sys/devices/system/cpu/online").Trim().Split(',').Sum(range =>
    {
        var ends = range.Split('-').Select(end => int.Parse(end, CultureInfo.InvariantCulture)).ToArray();
        return ends[^1] - ends[0] + 1;
    });

    [Fact]
    public void Every_processor_that_is_online_counts() => Assert.Equal(Expected, Processors.Online);

    [Fact]
    public void Affinity_does_not_count()
    {
        var (failure, online) = (-1, 0);

        // The affinity is the thread's own and ends with it.
        var thread = new Thread(() =>
        {
            var mask = new byte[MaskBytes];
            var processor = CurrentProcessor();
            mask[processor / 8] = (byte)(1 << (processor % 8));
            failure = SetAffinity(0, mask.Length, mask);
            online = Processors.Online;
        });
        thread.Start();
        thread.Join();
        Assert.Equal(0, failure);
        Assert.Equal(Expected, online);
    }

    [LibraryImport("libc", EntryPoint = "sched_getcpu")]
    private static partial int CurrentProcessor();

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int thread, nint size, byte[] mask);
}
