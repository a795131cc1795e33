using CniIsolator.Exporter.Sampling;
using CniIsolator.Ipam;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Exporter.Rates;

/// <summary>
/// Looks at the counters of all links at an interval of its own, whoever asks or not: what lies between two scrapes is told by the
/// percentiles.
/// </summary>
internal sealed class RateSampler : IDisposable
{
    private readonly RateSettings _settings;
    private readonly StoreReader _store;
    private readonly TimeProvider _clock;
    private readonly FaultLog _faults;
    private readonly Lock _lock = new();
    private readonly long _started;
    private Dictionary<(AttachmentKey Key, DateTimeOffset Created), RateSeries> _series = [];
    private readonly Dictionary<int, LinkCounters> _links = [];
    private ITimer? _timer;
    private bool _looking;

    /// <param name="settings">Window and interval.</param>
    /// <param name="store">For this sampler alone.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="faults">Where to say what cannot be read.</param>
    public RateSampler(RateSettings settings, StoreReader store, TimeProvider clock, FaultLog faults)
    {
        _settings = settings;
        _store = store;
        _clock = clock;
        _faults = faults;
        _started = clock.GetTimestamp();
    }

    public void Start() => _timer = _clock.CreateTimer(_ => Look(), null, TimeSpan.Zero, _settings.Interval);

    /// <summary>Null for a container that was not looked at yet.</summary>
    public RateStatistics? Of(Attachment attachment)
    {
        lock (_lock)
        {
            if (!_series.TryGetValue((attachment.Key, attachment.Created), out var series))
            {
                return null;
            }

            var percentiles = new Percentiles?[RateSeries.Kinds];
            for (var kind = 0; kind < percentiles.Length; kind++)
            {
                percentiles[kind] = series.Of((Rate)kind, Now);
            }

            return new RateStatistics(_settings, percentiles);
        }
    }

    public void Dispose()
    {
        _timer?.Dispose();
        _store.Dispose();
    }

    private TimeSpan Now => _clock.GetElapsedTime(_started);

    private void Look()
    {
        // A look that takes longer than the interval is not followed by two at once.
        if (Interlocked.Exchange(ref _looking, true))
        {
            return;
        }

        var source = Source.Store;
        try
        {
            var attachments = _store.Read().Attachments;
            source = Source.Links;
            using var connection = NetlinkConnection.Open();
            LinkStatistics.Read(connection, _links);
            lock (_lock)
            {
                Add(attachments, _links, Now);
            }
        }
        catch (Exception e)
        {
            // Any: nobody stands behind a timer, and what is thrown here would end the process.
            _faults.Add(source, e.Message);
        }
        finally
        {
            Volatile.Write(ref _looking, false);
        }
    }

    /// <summary>Containers that have gone are forgotten.</summary>
    internal void Add(IReadOnlyList<Attachment> attachments, Dictionary<int, LinkCounters> links, TimeSpan now)
    {
        var series = new Dictionary<(AttachmentKey Key, DateTimeOffset Created), RateSeries>(attachments.Count);
        foreach (var attachment in attachments)
        {
            var key = (attachment.Key, attachment.Created);
            if (attachment.Numbers.HostEnd != 0 && links.TryGetValue(attachment.Numbers.HostEnd, out var counters))
            {
                var one = _series.TryGetValue(key, out var known) ? known : new RateSeries(_settings);
                one.Add(counters, now);
                series[key] = one;
            }
        }

        _series = series;
    }
}
