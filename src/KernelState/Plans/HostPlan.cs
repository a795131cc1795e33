using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState.Objects;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState.Plans;

/// <summary>
/// What all containers of a host share in the kernel: the tables of the demultiplexer on the master and on the loopback, the loopback's MAC, and two
/// of its sysctls. The first container brings it, the last one takes it away.
/// </summary>
public static class HostPlan
{
    /// <summary>
    /// A packet redirected to the loopback has a source address of this host, and no route attached any more: without accept_local the kernel takes it
    /// for spoofed. It guards that containers and host reach each other.
    /// </summary>
    public const string AcceptLocal = "net/ipv4/conf/lo/accept_local";

    /// <summary>Likewise for 127.0.0.1, which is otherwise refused even on the loopback once its route is gone.</summary>
    public const string RouteLocalnet = "net/ipv4/conf/lo/route_localnet";

    /// <param name="values">What the containers share.</param>
    /// <param name="hostLoopback">Whether any of them may use 127.0.0.1.</param>
    /// <param name="flows">Where the master's queues hang; null where no container has one.</param>
    /// <param name="hasMaster">Whether the master is there; without it the loopback's part alone can be had.</param>
    public static Plan Of(HostValues values, bool hostLoopback, FlowClassifierParent? flows, bool hasMaster = true)
    {
        var (master, address) = (values.MasterIndex, InternetAddress.From(values.Address));
        List<KernelObject> objects = [new SysctlState(AcceptLocal, "1", SysctlWeight.Guards) { Place = Place.Host }];
        if (hostLoopback)
        {
            objects.Add(new SysctlState(RouteLocalnet, "1", SysctlWeight.Guards) { Place = Place.Host });
        }

        // Frames that go from the loopback to a container keep their destination MAC, and the container's interface drops what is not for its own.
        objects.Add(new LinkState("lo", Hooks.Loopback) { Place = Place.Host, Title = "the host's lo", Mac = MacAddress.Parse(values.Mac) });
        objects.Add(new HookState(values.Master, master) { Place = Place.Host, MayExist = true });
        objects.Add(new HookState("lo", Hooks.Loopback) { Place = Place.Host, MayExist = true });
        objects.AddRange(Filters(Tables(master, address), values.Master));
        if (flows is { } parent)
        {
            objects.Add(new FlowQdiscState(values.Master, master, parent) { Place = Place.Host });
            objects.AddRange(Filters(UniqueFlows.Shared(master, address), values.Master));
        }

        var plan = new Plan(objects)
        {
            // Tables are busy while a packet may be on its way through them; entries that lead nowhere are nobody's.
            Territories =
            [
                .. SharedHooks(master, flows is not null)
                    .Select(at => new FilterTerritory(Device(values.Master, at.Index), at, filter => filter.Target == 0) { IsReported = false }),
            ],
        };
        return hasMaster ? plan : plan.Without(master);
    }

    /// <summary>Where the shared tables hang.</summary>
    public static FilterAttachment[] SharedHooks(int master, bool flows = false) =>
    [
        Hooks.Arp(master), Hooks.Internet(master), Hooks.Internet(Hooks.Loopback),
        .. flows ? (FilterAttachment[])[Hooks.Internet(master, UniqueFlows.Qdisc)] : [],
    ];

    /// <summary>All tables, with what links them.</summary>
    public static IEnumerable<U32Filter> Tables(int master, InternetAddress address) =>
        PortDemultiplexer.SharedOnMaster(master, address).Concat(PortDemultiplexer.SharedOnLoopback(address));

    private static string Device(string master, int index) => index == Hooks.Loopback ? "lo" : master;

    private static IEnumerable<FilterState> Filters(IEnumerable<U32Filter> filters, string master) =>
        filters.Select(f => new FilterState(Device(master, f.At.Index), f) { Place = Place.Host, MayExist = true });
}
