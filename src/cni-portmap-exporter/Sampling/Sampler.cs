using CniIsolator.Exporter.Cgroups;
using CniIsolator.Exporter.Rates;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Exporter.Sampling;

/// <summary>
/// Reads the plugin's records and the kernel's counters, and joins them. It takes no lock and changes nothing: an attachment is never kept waiting for a scrape.
/// </summary>
internal sealed class Sampler : IDisposable
{
    private readonly StoreReader _store;
    private readonly TimeProvider _clock;
    private readonly FaultLog _faults;
    private readonly string _bootId = HostIdentity.BootId;
    private readonly string _hostNetns;
    private readonly SingleFlight<Sample> _flight;
    private readonly CapacitySource _capacity;
    private readonly Dictionary<int, LinkCounters> _links = [];
    private readonly CgroupSource _cgroups;
    private readonly NamespaceSampler _inside;
    private readonly RateSampler? _rates;
    private readonly bool _ports;

    /// <exception cref="LinuxException">This process cannot tell its own network namespace.</exception>
    public Sampler(string stateDir, TimeProvider clock, FaultLog faults, ExporterSettings settings)
    {
        using var own = NetworkNamespace.OpenCurrent();
        _hostNetns = own.Identity.ToString();
        _store = new StoreReader(stateDir);
        _clock = clock;
        _faults = faults;
        _capacity = new CapacitySource(clock);
        _cgroups = new CgroupSource(clock);
        _inside = new NamespaceSampler(settings, clock);
        _rates = settings.Rates is { } rates ? new RateSampler(rates, new StoreReader(stateDir), clock, faults) : null;
        _ports = settings.Ports;
        _flight = new SingleFlight<Sample>(Take);
    }

    /// <summary>A sample that is being taken, or else a new one.</summary>
    public Task<Sample> TakeAsync() => _flight.RunAsync();

    /// <summary>Begins what goes on whoever asks or not.</summary>
    public void Start() => _rates?.Start();

    public void Dispose()
    {
        _rates?.Dispose();
        _inside.Dispose();
        _store.Dispose();
    }

    /// <summary>What of a store's content is on this host, in this boot, and has its interface.</summary>
    internal static List<ContainerSample> Join(IReadOnlyList<Attachment> own, Dictionary<int, LinkCounters> links)
    {
        var joined = new List<ContainerSample>(own.Count);
        foreach (var attachment in own)
        {
            // An index of 0 is not known yet. One without a link is a container that has gone, or is not there yet.
            if (attachment.Numbers.HostEnd != 0 && links.TryGetValue(attachment.Numbers.HostEnd, out var counters))
            {
                joined.Add(new ContainerSample(attachment, counters));
            }
        }

        return joined;
    }

    /// <summary>Adds what the qdiscs of a container's host end tell.</summary>
    internal static void AddQueues(ContainerSample container, DeviceQueues? host)
    {
        var attachment = container.Attachment;
        container.ForeignSourcePackets = attachment.Features.DropsUnmatched ? host?.FilterDrops : null;
        if (attachment.Limits.Ingress is null)
        {
            return;
        }

        container.IngressInForce = container.WarnUnlessInForce(host, "receives");
        if (host is not null)
        {
            List<QueueSample> queues = [];
            host.AddTo(queues, QueueSample.Ingress);
            container.Queues = queues;
        }
    }

    private Sample Take()
    {
        var started = _clock.GetTimestamp();
        string? fault = null;
        var content = Try(Source.Store, _store.Read, ref fault);
        List<Attachment> own = [];
        foreach (var attachment in content?.Attachments ?? [])
        {
            if (IsOfThisHost(attachment.MadeOn.BootId, attachment.MadeOn.Netns))
            {
                own.Add(attachment);
            }
        }

        // A connection for each sample: after a failure, nothing of an old answer is left in it.
        using var connection = Try(Source.Links, () => NetlinkConnection.Open(), ref fault);
        var links = connection is null ? null : Try(Source.Links, () => ReadLinks(connection), ref fault);
        var time = _clock.GetUtcNow();
        var containers = content is null || links is null ? [] : Join(own, links);
        if (connection is not null && containers.Count > 0)
        {
            AddQueues(connection, containers);
            AddPorts(connection, containers);
        }

        AddInside(containers, all: fault is null);
        AddResources(containers);
        AddRates(containers);
        return new Sample
        {
            Time = time,
            Containers = containers,
            Capacity = content is null ? null : ReadCapacity(content, own),
            UnreadableRecords = content?.Unreadable.Count,
            Faults = _faults.Counts(),
            Fault = fault,
            Duration = _clock.GetElapsedTime(started),
        };
    }

    private Dictionary<int, LinkCounters> ReadLinks(NetlinkConnection connection)
    {
        LinkStatistics.Read(connection, _links);
        return _links;
    }

    private void AddQueues(NetlinkConnection connection, List<ContainerSample> containers)
    {
        if (Try(Source.Queues, () => DeviceQueues.ByDevice(TcStatistics.ListQdiscs(connection, index: 0))) is not { } devices)
        {
            return;
        }

        foreach (var container in containers)
        {
            AddQueues(container, devices.GetValueOrDefault(container.Attachment.Numbers.HostEnd));
        }
    }

    private void AddPorts(NetlinkConnection connection, List<ContainerSample> containers)
    {
        if (!_ports)
        {
            return;
        }

        var masters = new HashSet<int>();
        foreach (var container in containers)
        {
            masters.Add(container.Attachment.Host.MasterIndex);
        }

        if (Try(Source.Ports, () => PortTraffic.ReadFilters(connection, masters)) is { } filters)
        {
            foreach (var container in containers)
            {
                container.Ports = PortTraffic.Of(container.Attachment, filters);
            }
        }
    }

    private void AddInside(List<ContainerSample> containers, bool all)
    {
        var before = _inside.Failures;
        _inside.Complete(containers, all);
        if (_inside.Failures > before)
        {
            _faults.Add(Source.Namespaces, "a container's namespace could not be entered or looked into", _inside.Failures - before);
        }
    }

    private void AddRates(List<ContainerSample> containers)
    {
        if (_rates is null)
        {
            return;
        }

        foreach (var container in containers)
        {
            container.Rates = _rates.Of(container.Attachment);
        }
    }

    private void AddResources(List<ContainerSample> containers)
    {
        var before = _cgroups.Faults;
        _cgroups.Fill(containers);
        if (_cgroups.Faults > before)
        {
            _faults.Add(Source.Cgroups, "a cgroup could not be read, or the processes not be listed", _cgroups.Faults - before);
        }
    }

    private Capacity? ReadCapacity(StoreContent content, List<Attachment> own)
    {
        List<NetworkRecord> networks = [];
        foreach (var network in content.Networks ?? [])
        {
            if (IsOfThisHost(network.BootId, network.HostNetns))
            {
                networks.Add(network);
            }
        }

        return Try(Source.Capacity, () => _capacity.Of(content, networks, own));
    }

    private bool IsOfThisHost(string bootId, string hostNetns) => bootId == _bootId && hostNetns == _hostNetns;

    /// <summary>What a source says that the rest can do without, or null and the fault noted.</summary>
    private T? Try<T>(Source source, Func<T> read)
        where T : class
    {
        string? fault = null;
        return Try(source, read, ref fault);
    }

    /// <summary>What a source says, or null and the fault noted, also in what the sample says of itself.</summary>
    private T? Try<T>(Source source, Func<T> read, ref string? fault)
        where T : class
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is StoreException or IOException or UnauthorizedAccessException)
        {
            _faults.Add(source, e.Message);
            fault = fault is null ? e.Message : $"{fault}; {e.Message}";
            return null;
        }
    }
}
