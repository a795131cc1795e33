using CniIsolator.Netlink.Route;

namespace CniIsolator.Exporter.Rates;

/// <summary>What is counted of a link; received and sent as the container sees it.</summary>
internal enum Rate
{
    ReceivedBytes,
    ReceivedPackets,
    ReceiveDrops,
    ReceiveErrors,
    SentBytes,
    SentPackets,
    SendDrops,
    SendErrors,
}

/// <summary>The rates of one container over the window, from the counters of its host end.</summary>
/// <param name="settings">How many there are.</param>
internal sealed class RateSeries(RateSettings settings)
{
    public const int Kinds = 8;

    private readonly double[] _rates = new double[settings.Capacity * Kinds];
    private readonly TimeSpan[] _times = new TimeSpan[settings.Capacity];
    private LinkCounters _last;
    private TimeSpan? _lastAt;
    private int _count;
    private int _next;

    /// <summary>Takes the counters at a moment; the first time only primes.</summary>
    /// <param name="counters">Of the host end: what that sends, the container receives.</param>
    /// <param name="now">Time since any moment, the same for all calls.</param>
    public void Add(LinkCounters counters, TimeSpan now)
    {
        // Counters that fell are another link's, which has taken the place of the first.
        if (_lastAt is { } last && now > last && !HasFallen(counters))
        {
            var seconds = (now - last).TotalSeconds;
            var at = _next * Kinds;
            for (var kind = 0; kind < Kinds; kind++)
            {
                _rates[at + kind] = (Read(counters, (Rate)kind) - Read(_last, (Rate)kind)) / seconds;
            }

            _times[_next] = now;
            _next = (_next + 1) % _times.Length;
            _count = Math.Min(_count + 1, _times.Length);
        }

        (_last, _lastAt) = (counters, now);
    }

    /// <summary>Null where there are fewer than two rates of the window.</summary>
    public Percentiles? Of(Rate kind, TimeSpan now)
    {
        Span<double> values = stackalloc double[RateSettings.MostSamples];
        var used = 0;
        for (var i = 0; i < _count; i++)
        {
            if (now - _times[i] <= settings.Window)
            {
                values[used++] = _rates[(i * Kinds) + (int)kind];
            }
        }

        return Percentiles.Of(values[..used]);
    }

    private bool HasFallen(LinkCounters counters)
    {
        for (var kind = 0; kind < Kinds; kind++)
        {
            if (Read(counters, (Rate)kind) < Read(_last, (Rate)kind))
            {
                return true;
            }
        }

        return false;
    }

    private static ulong Read(in LinkCounters host, Rate kind) => kind switch
    {
        Rate.ReceivedBytes => host.SentBytes,
        Rate.ReceivedPackets => host.SentPackets,
        Rate.ReceiveDrops => host.SendDropped,
        Rate.ReceiveErrors => host.SendErrors,
        Rate.SentBytes => host.ReceivedBytes,
        Rate.SentPackets => host.ReceivedPackets,
        Rate.SendDrops => host.ReceiveDropped,
        _ => host.ReceiveErrors,
    };
}
