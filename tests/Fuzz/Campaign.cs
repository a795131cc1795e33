using System.Collections.Concurrent;

namespace CniIsolator.Fuzz;

/// <summary>An input that broke a promise, and how to see it again.</summary>
public sealed record Finding(Target Target, long Number, byte[] Input, string What);

/// <summary>
/// Many inputs against several targets. Input number n of a seed is always the same, whatever the number of processors, so that each
/// can be tried again alone.
/// </summary>
public sealed class Campaign(int seed, IReadOnlyList<Target> targets)
{
    // Time enough for a debugger's worth of trouble on a busy machine; it only ends what would never end.
    private static readonly TimeSpan StuckAfter = TimeSpan.FromMinutes(1);

    private readonly ConcurrentQueue<Finding> _findings = [];
    private long _tried;
    private Cost _dearest;

    /// <summary>How many findings end a campaign: the first few tell enough.</summary>
    public const int MostFindings = 10;

    public IReadOnlyCollection<Finding> Findings => _findings;

    public long Tried => Interlocked.Read(ref _tried);

    /// <summary>The most that any single input has cost, each measure for itself.</summary>
    public Cost Dearest
    {
        get
        {
            lock (_findings)
            {
                return _dearest;
            }
        }
    }

    /// <summary>Tries the extremes of every target, then inputs until the number is reached or time is up.</summary>
    /// <param name="inputs">Inputs besides the extremes, over all targets.</param>
    /// <param name="end">Cancelled when time is up.</param>
    public void Run(long inputs, CancellationToken end = default)
    {
        var next = -1L;
        List<Task> workers = [OnOwnThread(TryExtremes)];
        for (var i = 0; i < Environment.ProcessorCount; i++)
        {
            workers.Add(OnOwnThread(() =>
            {
                while (!end.IsCancellationRequested && _findings.Count < MostFindings && Interlocked.Increment(ref next) is var number && number < inputs)
                {
                    TryThis(number);
                }
            }));
        }

        var all = Task.WhenAll(workers);
        for (var before = -1L; !all.Wait(StuckAfter, CancellationToken.None); before = Tried)
        {
            if (Tried == before)
            {
                throw new TimeoutException($"seed {seed}: an input around number {Interlocked.Read(ref next)} never ends; try each with --number");
            }
        }
    }

    /// <summary>Tries the input with this number.</summary>
    public void TryNumber(long number) => OnOwnThread(() => TryThis(number)).Wait();

    // A target may take its thread into other namespaces, so it must be one that ends.
    private static Task OnOwnThread(Action action) =>
        Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private void TryExtremes()
    {
        foreach (var target in targets)
        {
            var number = -1L;
            foreach (var extreme in target.Extremes)
            {
                TryOne(target, number--, extreme, new Random(seed));
            }
        }
    }

    private void TryThis(long number)
    {
        var random = new Random(HashCode(seed, number));
        var target = Choose(random);
        TryOne(target, number, Mutator.Make(target, random), random);
    }

    // System.HashCode differs from run to run.
    private static int HashCode(int seed, long number)
    {
        var mixed = (ulong)number + ((ulong)(uint)seed << 32) + 0x9e3779b97f4a7c15;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
        return (int)(mixed >> 33);
    }

    private Target Choose(Random random)
    {
        var ticket = random.Next(targets.Sum(t => t.Weight));
        foreach (var target in targets)
        {
            ticket -= target.Weight;
            if (ticket < 0)
            {
                return target;
            }
        }

        return targets[^1];
    }

    private void TryOne(Target target, long number, byte[] input, Random random)
    {
        var begin = Cost.Now;
        string? what = null;
        try
        {
            target.Try(input, random);
        }
        catch (WrongOutcomeException e)
        {
            what = e.Message;
        }
        catch (Exception e)
        {
            what = $"an exception that nobody foresaw: {e}";
        }

        var cost = Cost.Now.Since(begin);
        lock (_findings)
        {
            _dearest = new Cost(
                cost.ProcessorTime > _dearest.ProcessorTime ? cost.ProcessorTime : _dearest.ProcessorTime,
                Math.Max(cost.AllocatedBytes, _dearest.AllocatedBytes));
        }

        if (what is null && cost.Exceeds(Cost.Limit))
        {
            what = $"it took {cost}; the limit is {Cost.Limit}";
        }

        if (what is not null)
        {
            _findings.Enqueue(new Finding(target, number, input, what));
        }

        Interlocked.Increment(ref _tried);
    }
}
