using System.Globalization;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState.Objects;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState.Plans;

/// <summary>What an attachment has in the kernel: the one place that says so.</summary>
public sealed class AttachmentPlan
{
    private readonly Attachment _attachment;
    private readonly AttachmentPath _path;
    private readonly ProgramTags _tags;
    private readonly MacAddress? _gatewayMac;
    private Plan? _container;
    private Plan? _hostEnd;
    private Plan? _entries;

    private AttachmentPlan(Attachment attachment, AttachmentPath path, ProgramTags tags, MacAddress? gatewayMac)
    {
        _attachment = attachment;
        _path = path;
        _tags = tags;
        _gatewayMac = gatewayMac;
    }

    /// <summary>The container's namespace: interface, address, route, filters, limit, sysctls.</summary>
    public Plan Container => _container ??= ComposeContainer();

    /// <summary>The veth's end on the host: what the container sends passes here.</summary>
    public Plan HostEnd => _hostEnd ??= ComposeHostEnd();

    /// <summary>The container's entries among the filters that all containers share: packets are delivered by these.</summary>
    public Plan Entries => _entries ??= ComposeEntries();

    /// <summary>Whether the attachment may use the host's 127.0.0.1.</summary>
    public bool HostLoopback => _path.HostLoopback;

    /// <param name="attachment">Its record.</param>
    /// <param name="tags">The kernel's digests of the programs; those that are null are not compared.</param>
    /// <param name="gatewayMac">What the host knows of the gateway, for a container that is just made.</param>
    public static AttachmentPlan Of(Attachment attachment, ProgramTags tags = default, MacAddress? gatewayMac = null) =>
        Of(attachment, AttachmentPath.Of(attachment), tags, gatewayMac);

    /// <param name="attachment">Its record.</param>
    /// <param name="path">What its filters are computed from: in the middle of a change other ports than the record has.</param>
    /// <param name="tags">As above.</param>
    /// <param name="gatewayMac">As above.</param>
    public static AttachmentPlan Of(Attachment attachment, AttachmentPath path, ProgramTags tags = default, MacAddress? gatewayMac = null) =>
        new(attachment, path, tags, gatewayMac);

    /// <summary>Whether an object is one of those that make up a limit.</summary>
    public static bool IsOfLimit(KernelObject planned) => planned is RootQdiscState or ClassState or QueueState or PlainQueueState;

    private string IfName => _attachment.Key.IfName;

    private string Inside => $"{IfName} in the container";

    private uint Mtu => (uint)_attachment.Host.Mtu;

    /// <summary>Whether the namespace had other interfaces before ours: then it is theirs as well, and only what is ours is set.</summary>
    private bool IsGuest => _attachment.Before is { HasOthers: true };

    private Plan ComposeContainer()
    {
        List<KernelObject> objects = [];

        // Before there is an interface that could get a link-local address or believe a router advertisement.
        objects.AddRange(WithoutIPv6(IsGuest ? [] : ["all", "default"]));
        objects.Add(new VethState(IfName, _path.ContainerEnd)
        {
            Place = Place.Container, HostName = _attachment.HostInterface, HostIndex = _path.HostEnd, Mac = _path.Mac, Mtu = Mtu,
        });

        // The loopback's MTU is the master's: a segment made for a larger one could not leave by the veth.
        objects.Add(new LinkState("lo", Hooks.Loopback) { Place = Place.Container, Title = "lo in the container", Mac = _path.Mac, Mtu = Mtu });
        objects.Add(new LinkState(IfName, _path.ContainerEnd)
        {
            Place = Place.Container, Title = Inside, Mac = _path.Mac, Mtu = Mtu, IsMadeWithVeth = true,
        });
        objects.Add(new AddressState(IfName, new LinkAddress(_path.ContainerEnd, _path.Address, (byte)_attachment.Host.PrefixLength, 0, false))
        {
            Place = Place.Container,
        });
        if (_attachment.Host.Gateway is { } next && _attachment.Before is not { HasDefaultRoute: true })
        {
            var gateway = InternetAddress.From(next);
            objects.Add(new RouteState(IfName, _path.ContainerEnd, gateway) { Place = Place.Container });
            if (_gatewayMac is { } mac)
            {
                objects.Add(new GatewayState(_path.ContainerEnd, gateway, mac) { Place = Place.Container });
            }
        }

        objects.Add(new HookState("lo in the container", Hooks.Loopback) { Place = Place.Container, MayExist = true });
        objects.Add(new HookState(Inside, _path.ContainerEnd) { Place = Place.Container });
        objects.AddRange(Filters(ContainerFilters.OnLoopback(_path).Concat(ContainerFilters.OnInterface(_path)), InsideName, Place.Container));
        objects.AddRange(Limit(_attachment.Limits.Egress, _path.ContainerEnd, Inside, Place.Container));
        objects.AddRange(WithoutIPv6(IsGuest ? [IfName] : ["lo", IfName]));
        objects.AddRange(ContainerSysctls());
        if (_attachment.Features.FinishesChecksums)
        {
            objects.Add(new OffloadState(IfName) { Place = Place.Container });
        }

        return new Plan(objects)
        {
            Territories =
            [
                new FilterTerritory("lo in the container", Hooks.Internet(Hooks.Loopback)),
                new FilterTerritory(Inside, Hooks.Internet(_path.ContainerEnd)),
                .. NoLimit(_attachment.Limits.Egress, _path.ContainerEnd, Inside),
            ],
        };
    }

    /// <summary>
    /// The host end comes up behind its filters: nothing of the container passes unpoliced.
    /// </summary>
    private Plan ComposeHostEnd()
    {
        var device = _attachment.HostInterface;
        var hook = new HookState(device, _path.HostEnd) { Place = Place.Host };
        var link = new LinkState(device, _path.HostEnd)
        {
            Place = Place.Host, Kind = "veth", Mac = _path.Mac, Mtu = Mtu, Alias = HostEndAlias.OrNull(_attachment.Key), IsMadeWithVeth = true,
        };
        List<KernelObject> objects = [.. HostEndSysctls(device), hook];
        if (_attachment.Features.GuardsChecksums)
        {
            objects.Add(Program(device, Hooks.Guard(_path.HostEnd), ProgramRole.Guard, _tags.Guard));
        }

        objects.AddRange(Filters(SourcePolicing.OnHostEnd(_path), _ => device, Place.Host));
        if (_attachment.Features.DropsUnmatched)
        {
            objects.Add(Program(device, Hooks.Drop(_path.HostEnd), ProgramRole.Drop, _tags.Drop));
        }

        objects.AddRange(Limit(_attachment.Limits.Ingress, _path.HostEnd, device, Place.Host));
        objects.Add(link);
        return new Plan(objects)
        {
            Gate = new Gate(link, hook),
            Territories =
            [
                new HookTerritory(device, _path.HostEnd),
                new FilterTerritory(device, Hooks.Arp(_path.HostEnd)),
                new FilterTerritory(device, Hooks.Internet(_path.HostEnd)),
                .. NoLimit(_attachment.Limits.Ingress, _path.HostEnd, device),
            ],
        };
    }

    private static ProgramState Program(string device, FilterAttachment at, ProgramRole role, string? tag) =>
        new(device, at, role) { Place = Place.Host, Tag = tag, IsOptional = true };

    private Plan ComposeEntries()
    {
        var entries = UniqueFlows.Entries(_path).Concat(PortDemultiplexer.OnLoopback(_path)).Concat(PortDemultiplexer.OnMaster(_path));
        string Device(int index) => index == Hooks.Loopback ? "lo" : _attachment.Host.Master;
        List<FilterAttachment> hooks =
        [
            Hooks.Internet(Hooks.Loopback), Hooks.Arp(_path.Master), Hooks.Internet(_path.Master),
            .. _path.Flow == 0 ? (FilterAttachment[])[] : [Hooks.Internet(_path.Master, UniqueFlows.Qdisc)],
        ];
        return new Plan([.. Filters(entries, Device, Place.Host)])
        {
            Territories = [.. hooks.Select(at => new FilterTerritory(Device(at.Index), at, IsOurs) { IsReported = false })],
        };
    }

    /// <summary>Entries that lead to this container, and those that lead nowhere and so are nobody's.</summary>
    private bool IsOurs(FilterState filter) =>
        filter.Target == 0 || filter.Target == _path.HostEnd
        || (_path.Flow != 0 && filter.Filter is U32Node node && node.Class == (UniqueFlows.Qdisc | (uint)_path.Flow));

    private string InsideName(int index) => index == Hooks.Loopback ? "lo in the container" : Inside;

    private static IEnumerable<FilterState> Filters(IEnumerable<U32Filter> filters, Func<int, string> device, Place place) =>
        filters.Select(f => new FilterState(device(f.At.Index), f) { Place = place });

    private IEnumerable<KernelObject> Limit(RateLimit? limit, int index, string device, Place place)
    {
        if (limit is null)
        {
            yield break;
        }

        yield return new RootQdiscState(device, index) { Place = place, Rate = limit.Rate };
        yield return new ClassState(device, index, Shaper.ClassOf(limit, _attachment.Host.Mtu)) { Place = place };
        yield return _attachment.Features.PlainQueue
            ? new PlainQueueState(device, index) { Place = place }
            : new QueueState(device, index, Shaper.LeafOf(limit, _attachment.Host.Mtu)) { Place = place, IsOptional = true };
    }

    private static IEnumerable<Territory> NoLimit(RateLimit? limit, int index, string device) =>
        limit is null ? [new LimitTerritory(device, index) { IsReported = false }] : [];

    private IEnumerable<SysctlState> ContainerSysctls()
    {
        // Guards that bind to port 0 and connect choose from the slice: a port of another is refused by nobody, and gets no answers.
        yield return Guarding("net/ipv4/ip_local_port_range", string.Create(CultureInfo.InvariantCulture, $"{_path.Slice.Begin}\t{_path.Slice.End}"));

        // Guards that packets from the host and from other containers, whose source is the container's own address, are not taken for spoofed.
        yield return Guarding($"net/ipv4/conf/{IfName}/accept_local", "1");
        yield return Guarding("net/ipv4/conf/lo/accept_local", "1");
        if (_path.HostLoopback)
        {
            // Guards the same for 127.0.0.1.
            yield return Guarding("net/ipv4/conf/lo/route_localnet", "1");
        }

        static SysctlState Guarding(string name, string value) =>
            new(name, value, SysctlWeight.Guards) { Place = Place.Container, IsRequired = true };
    }

    /// <summary>
    /// The host has no IPv6 ports to share, and drops what a container sends by IPv6. These guard that programs in the container find out at once
    /// that there is no IPv6, and not by waiting for answers; "default" does for interfaces that come later.
    /// </summary>
    private static IEnumerable<SysctlState> WithoutIPv6(IEnumerable<string> devices) => devices.SelectMany(device => (SysctlState[])
    [
        new($"net/ipv6/conf/{device}/disable_ipv6", "1", SysctlWeight.Guards) { Place = Place.Container },
        new($"net/ipv6/conf/{device}/accept_ra", "0", SysctlWeight.Guards) { Place = Place.Container },
    ]);

    /// <summary>
    /// What no filter redirects goes up the host's stack on this device, and must end there, whatever the host's own settings are: not forwarded, no
    /// foreign source, no IPv6. Where a last filter drops it before it comes to that, it is that filter that guards: an administrator's
    /// net.ipv4.ip_forward=1, which the kernel writes to every device, a loose rp_filter or net.ipv6.conf.all does no harm then.
    /// </summary>
    private IEnumerable<SysctlState> HostEndSysctls(string device)
    {
        var weight = _attachment.Features.DropsUnmatched ? SysctlWeight.Harmless : SysctlWeight.Guards;
        yield return new SysctlState($"net/ipv4/conf/{device}/forwarding", "0", weight) { Place = Place.Host };
        yield return new SysctlState($"net/ipv4/conf/{device}/rp_filter", "1", weight) { Place = Place.Host };

        // Guards that the host never answers a container's ARP request. No setting for all devices reaches it, the kernel takes the larger of
        // both: whoever changes it means this device.
        yield return new SysctlState($"net/ipv4/conf/{device}/arp_ignore", "8", SysctlWeight.Guards) { Place = Place.Host };
        yield return new SysctlState($"net/ipv6/conf/{device}/disable_ipv6", "1", weight) { Place = Place.Host };
        yield return new SysctlState($"net/ipv6/conf/{device}/accept_ra", "0", weight) { Place = Place.Host };
    }
}

/// <summary>The kernel's digests of the programs for the host's end, null where it tells none.</summary>
/// <param name="Guard">Of the first one.</param>
/// <param name="Drop">Of the last one.</param>
public readonly record struct ProgramTags(string? Guard, string? Drop);
