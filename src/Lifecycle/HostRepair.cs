using System.Net;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Lifecycle;

/// <summary>
/// Puts back what all containers of the host share, once for all of them, as the host is now. It knows from then on what each container should have
/// taken over from the host.
/// </summary>
public sealed class HostRepair
{
    private readonly Session _session;
    private readonly IReadOnlyList<Attachment> _running;
    private readonly IReadOnlyList<IPAddress> _shared;
    private readonly Dictionary<HostValues, HostValues> _values = [];
    private readonly HostConfiguration? _host;

    /// <param name="session">The command's session.</param>
    /// <exception cref="IOException">The kernel or the store does not say.</exception>
    public HostRepair(Session session)
    {
        _session = session;
        _running =
        [
            .. session.Store.ReadAll().Attachments
                .Where(a => a.State == AttachmentState.Ready && session.IsOnThisHost(a) && session.Conditions.HasNamespace(a)),
        ];
        _shared = Session.AddressesOf(_running);
        if (_running.Count > 0)
        {
            _host = ReadHost(_running[0].Host);
        }
    }

    /// <summary>Whether the master is gone. It may come again; until then all that does not lead to it can be had.</summary>
    public bool IsMasterGone { get; private set; }

    /// <summary>What the host has changed of what containers have taken over, to be told to its neighbours once the containers have it.</summary>
    public bool HasMoved { get; private set; }

    /// <summary>What a container should take over now.</summary>
    public HostValues ValuesFor(HostValues current)
    {
        if (!_values.TryGetValue(current, out var values))
        {
            values = ReadHost(current).Values;
            _values.Add(current, values);
            HasMoved |= values.Mac != current.Mac || !values.Address.Equals(current.Address);
        }

        return values;
    }

    /// <summary>The name that a container's master has now: another than in the record where somebody has renamed it.</summary>
    public string NameOfMaster(HostValues current) =>
        Links.Find(_session.Host, current.Master) is null && Links.Find(_session.Host, current.MasterIndex) is { } renamed ? renamed.Name : current.Master;

    /// <summary>Mends the shared state; nothing where no container runs.</summary>
    /// <exception cref="IsolationException">Somebody else's qdisc stands where ours should, or the store is busy.</exception>
    /// <exception cref="IOException">The kernel refused.</exception>
    public RepairResult Apply()
    {
        if (_host is null)
        {
            return RepairResult.Nothing;
        }

        var before = Compare(_session.Store.FindHost());
        if (before.Count == 0)
        {
            return RepairResult.Nothing;
        }

        using var shared = _session.HoldSharedState();
        var (note, assumed) = Note(_host);
        new Reconciler(_session.Kernel()).Converge(PlanOf(note));
        var left = Compare(note);
        return new RepairResult([.. before.Except(left)], left, assumed);
    }

    /// <summary>Tells the host's neighbours at once, who would learn of another MAC or address only when what they remember has grown old.</summary>
    /// <exception cref="IOException">It could not be sent.</exception>
    public void Announce()
    {
        if (HasMoved && _host is { Master: { IsUp: true } master } && !IsMasterGone)
        {
            AddressAnnouncement.Send(master.Index, master.Mac.ToBytes(), _host.Address.Address.ToBytes());
        }
    }

    private IReadOnlyList<Difference> Compare(HostRecord? note)
    {
        List<Difference> differences = [];
        if (note?.HostNetns != _session.Self.Netns)
        {
            differences.Add(new Difference("note of what the host was like before the first container", "host.json", "none"));
        }

        differences.AddRange(new Reconciler(_session.Kernel()).Diff(PlanOf(note)));
        return differences;
    }

    private Plan PlanOf(HostRecord? note)
    {
        var hostLoopback = _running.Any(a => a.HostLoopback == HostLoopback.Allow);
        FlowClassifierParent? flows = _running.Any(a => a.Numbers.Flow != 0) ? AttachmentCheck.FlowsOf(note) : null;
        return HostPlan.Of(_host!.Values, hostLoopback, flows, hasMaster: !IsMasterGone);
    }

    /// <summary>
    /// The host as it is now: the address that containers have, as long as the host has it; of several that of most of them, as all share
    /// one. A master that cannot be shared just now, such as one that is down or gone, leaves what the record says.
    /// </summary>
    private HostConfiguration ReadHost(HostValues current)
    {
        var name = NameOfMaster(current);
        try
        {
            var found = HostConfiguration.Read(_session.Host, name, null, _shared);

            // A host that has lost its default route, as a link does that goes down, has not got another gateway.
            return found.HasDefaultRoute || current.Gateway is null ? found : found with { Gateway = InternetAddress.From(current.Gateway) };
        }
        catch (IsolationException) when (FindMaster(current, name) is { } master && master.Name == name)
        {
            return new HostConfiguration(
                master with { Mac = MacAddress.Parse(current.Mac), Mtu = (uint)current.Mtu },
                new LinkAddress(master.Index, InternetAddress.From(current.Address), (byte)current.PrefixLength, 0, false),
                current.Gateway is null ? null : InternetAddress.From(current.Gateway),
                current.Gateway is not null,
                default);
        }
    }

    private Link FindMaster(HostValues current, string name)
    {
        var found = Links.Find(_session.Host, current.MasterIndex) is { } same && same.Name == name ? same : Links.Find(_session.Host, name);
        IsMasterGone = found is null;
        return found ?? new Link(current.MasterIndex, current.Master, 0, (uint)current.Mtu, MacAddress.Parse(current.Mac), null, null, 0);
    }

    /// <summary>What has to be put back when the last container goes: of a master that was made again, what is ours there is known only now.</summary>
    private (HostRecord Note, IReadOnlyList<string> Assumed) Note(HostConfiguration host)
    {
        var netns = _session.Self.Netns;
        var now = HostDataPath.Describe(_session.Host, host, netns);
        var note = now;
        IReadOnlyList<string> assumed = [];
        if (_session.Store.FindHost()?.HostNetns != netns)
        {
            (note, assumed) = HostDataPath.Reconstruct(_session.Host, host, _running[0]);
        }

        using var store = _session.Begin();
        if (store.Host is { } kept && kept.HostNetns == netns)
        {
            // Or somebody else's that was just written, of the same host. One that is there stays as long as an attachment does.
            note = kept;
        }

        note = HostDataPath.Follow(note, now);
        if (store.Host != note)
        {
            store.WriteHost(note);
        }

        return (note, assumed);
    }
}
