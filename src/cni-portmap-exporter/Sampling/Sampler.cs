using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Exporter.Sampling;

/// <summary>
/// Reads the plugin's records and the kernel's counters, and joins them. It takes no lock and changes nothing: an attachment is never kept waiting for a scrape.
/// </summary>
internal sealed class Sampler : IDisposable
{
    private readonly AttachmentStore _store;
    private readonly TimeProvider _clock;
    private readonly string _bootId = HostIdentity.BootId;
    private readonly string _hostNetns;
    private readonly SingleFlight<Sample> _flight;
    private readonly InsideSampler _inside;
    private ScrapeErrors _errors;

    /// <exception cref="LinuxException">This process cannot tell its own network namespace.</exception>
    public Sampler(AttachmentStore store, TimeProvider clock, ExporterSettings settings)
    {
        using var own = NetworkNamespace.OpenCurrent();
        _hostNetns = own.Identity.ToString();
        _store = store;
        _clock = clock;
        _inside = new InsideSampler(settings, clock);
        _flight = new SingleFlight<Sample>(Take);
    }

    /// <summary>A sample that is being taken, or else a new one.</summary>
    public Task<Sample> TakeAsync() => _flight.RunAsync();

    public void Dispose() => _inside.Dispose();

    /// <summary>What of a store's content is on this host, in this boot, and has its interface.</summary>
    internal static IEnumerable<ContainerSample> Join(IEnumerable<Attachment> own, Dictionary<int, LinkCounters> links)
    {
        foreach (var attachment in own)
        {
            // An index of 0 is not known yet. One without a link is a container that has gone, or is not there yet.
            if (attachment.IfIndex != 0 && links.TryGetValue(attachment.IfIndex, out var counters))
            {
                yield return new ContainerSample(attachment, counters);
            }
        }
    }

    /// <summary>Pools may be shared between networks: a port counts once.</summary>
    internal static PoolUse Use(IReadOnlyList<Attachment> own)
    {
        var pools = own.Where(a => a.NetworkPool is not null).Select(a => PortSet.Parse(a.NetworkPool!)).Distinct().ToList();
        int? capacity = pools.Count == 0 ? null : pools.Aggregate((all, pool) => all.Union(pool)).Count;
        return new PoolUse(capacity, PortSet.From(own.Select(a => a.Slice)).Count);
    }

    private Sample Take()
    {
        var started = _clock.GetTimestamp();
        var faults = new List<string>();
        var content = TryReadStore(faults);
        var links = TryReadLinks(faults);
        var time = _clock.GetUtcNow();
        var own = content?.Attachments.Where(a => a.BootId == _bootId && a.HostNetns == _hostNetns).ToList();
        ContainerSample[] containers = own is null || links is null ? [] : [.. Join(own, links)];
        _inside.Complete(containers, all: faults.Count == 0);
        return new Sample
        {
            Time = time,
            Containers = containers,
            Pool = own is null ? null : Use(own),
            UnreadableRecords = content?.Unreadable.Count,
            Errors = _errors with { Namespaces = _inside.Failures },
            Fault = faults.Count == 0 ? null : string.Join("; ", faults),
            Duration = _clock.GetElapsedTime(started),
        };
    }

    private StoreContent? TryReadStore(List<string> faults)
    {
        try
        {
            return _store.ReadAll();
        }
        catch (Exception e) when (e is StoreException or IOException or UnauthorizedAccessException)
        {
            _errors = _errors with { Store = _errors.Store + 1 };
            faults.Add(e.Message);
            return null;
        }
    }

    private Dictionary<int, LinkCounters>? TryReadLinks(List<string> faults)
    {
        try
        {
            // A connection for each sample: after a failure, nothing of an old answer is left in it.
            using var connection = NetlinkConnection.Open();
            return LinkStatistics.List(connection);
        }
        catch (IOException e)
        {
            _errors = _errors with { Links = _errors.Links + 1 };
            faults.Add(e.Message);
            return null;
        }
    }
}
