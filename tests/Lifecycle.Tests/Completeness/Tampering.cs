extern alias plugin;

using CniIsolator.DataPath;
using CniIsolator.Testbed;
using plugin::CniIsolator.KernelState.Objects;
using plugin::CniIsolator.KernelState.Plans;

namespace CniIsolator.Lifecycle.Tests.Completeness;

/// <summary>One way to take an object away from the plugin, or to make one thing about it otherwise, by other means than the plugin's.</summary>
/// <param name="Attribute">What is made otherwise; null where the object is removed.</param>
/// <param name="Do">Does it.</param>
/// <param name="Undo">Takes away what a repair leaves, as it is somebody else's; null for nothing.</param>
internal sealed record Tampering(string? Attribute, Action<Scene> Do, Action<Scene>? Undo = null)
{
    private const string OtherMac = "02:00:00:00:00:99";

    private static readonly Dictionary<Type, Func<KernelObject, IEnumerable<Tampering>>> Known = new(
    [
        On<AddressState>(Addresses), On<RouteState>(Routes), On<SysctlState>(Sysctls), On<OffloadState>(Offloads), On<LinkState>(Links), On<VethState>(Veths),
        On<HookState>(FilterHooks), On<RootQdiscState>(Roots), On<ClassState>(Classes), On<QueueState>(Queues), On<PlainQueueState>(PlainQueues),
        On<FlowQdiscState>(Flows), On<ProgramState>(Programs), On<FilterState>(FilterTampering.Of),
    ]);

    /// <summary>The object is removed, where it can be, and each of its attributes is changed. What nobody has thought of is a fault of the test.</summary>
    public static IReadOnlyList<Tampering> Of(KernelObject planned)
    {
        if (!Known.TryGetValue(planned.GetType(), out Func<KernelObject, IEnumerable<Tampering>>? known))
        {
            throw new InvalidOperationException($"nobody has said how to tamper with a {planned.GetType().Name}");
        }

        List<Tampering> all = [.. known(planned)];
        string[] forgotten = [.. planned.Attributes.Select(a => a.Name).Except(all.Select(t => t.Attribute).OfType<string>()).Except(Fixed(planned))];
        return forgotten.Length == 0
            ? all
            : throw new InvalidOperationException($"nobody has said how to change of a {planned.GetType().Name}: {string.Join(", ", forgotten)}");
    }

    /// <summary>What is the same as long as the object is the same one: to be otherwise is to be another, which is a test of its own.</summary>
    public static IEnumerable<string> Fixed(KernelObject planned) => planned switch
    {
        VethState => ["kind", "index", "index of the far end"],
        LinkState => ["kind", "index"],
        HookState { MayExist: true } => [""], // Whichever kind is there does.
        _ => [],
    };

    /// <summary>Of many filters of one sort one is taken for all: that each is looked at is a test of its own.</summary>
    public static IEnumerable<KernelObject> Sample(Plan plan) =>
        plan.Objects.DistinctBy(o => o is FilterState filter ? (object)FilterTampering.SortOf(filter) : o.Key);

    private static KeyValuePair<Type, Func<KernelObject, IEnumerable<Tampering>>> On<T>(Func<T, IEnumerable<Tampering>> ways)
        where T : KernelObject => KeyValuePair.Create<Type, Func<KernelObject, IEnumerable<Tampering>>>(typeof(T), planned => ways((T)planned));

    private static Tampering Ip(KernelObject on, string? attribute, params string[] lines) => new(attribute, scene => scene[on.Place].IpBatch(lines));

    private static Tampering Tc(KernelObject on, string? attribute, params string[] lines) => new(attribute, scene => scene[on.Place].TcBatch(lines));

    private static IEnumerable<Tampering> Addresses(AddressState a)
    {
        yield return Ip(a, null, $"address del {a.Address} dev {a.Device}");
        yield return Ip(a, "", $"address add {a.Address.Address}/16 dev {a.Device}", $"address del {a.Address} dev {a.Device}") with
        {
            Undo = scene => scene[a.Place].Ip($"address del {a.Address.Address}/16 dev {a.Device}"),
        };
    }

    private static IEnumerable<Tampering> Routes(RouteState r) =>
    [
        Ip(r, null, "route del default"),
        Ip(r, "", "route del default", $"route add default via 10.77.0.77 dev {r.Device} onlink"),
    ];

    // Nobody can remove one.
    private static IEnumerable<Tampering> Sysctls(SysctlState s) =>
        [new("", scene => scene[s.Place].Sysctl(s.Name, s.Value.Contains('\t') ? "32768 60999" : s.Value == "0" ? "1" : "0"))];

    private static IEnumerable<Tampering> Offloads(OffloadState o) => [new("", scene => DeviceFeatures.LeaveChecksums(scene[o.Place], o.Device))];

    private static IEnumerable<Tampering> Veths(VethState v) => [Ip(v, null, $"link del {v.Name}")];

    private static IEnumerable<Tampering> Links(LinkState l)
    {
        if (l.Index != Hooks.Loopback)
        {
            yield return Ip(l, null, $"link del {l.Name}");
        }

        if (l.Mac is not null)
        {
            yield return Ip(l, "MAC", $"link set {l.Name} address {OtherMac}");
        }

        if (l.Mtu is not null)
        {
            yield return Ip(l, "MTU", $"link set {l.Name} mtu 1300");
        }

        if (l.Alias is not null)
        {
            yield return new Tampering("alias", scene => scene[l.Place].Execute("ip", "link", "set", l.Name, "alias", "uplink").Require());
            yield return new Tampering("alias", scene => scene[l.Place].Execute("ip", "link", "set", l.Name, "alias", "").Require());
        }

        yield return Ip(l, "state", $"link set {l.Name} down");
    }

    private static IEnumerable<Tampering> FilterHooks(HookState h)
    {
        string device = NameOf(h.Device);
        yield return Tc(h, null, $"qdisc del dev {device} clsact");
        if (!h.MayExist)
        {
            yield return Tc(h, "", $"qdisc del dev {device} clsact", $"qdisc add dev {device} ingress");
        }
    }

    private static IEnumerable<Tampering> Roots(RootQdiscState r)
    {
        string device = NameOf(r.Device);
        string gone = $"qdisc del dev {device} root";
        return
        [
            Tc(r, null, gone),
            Tc(r, "limit", gone, $"qdisc add dev {device} root handle 7: htb default 1"),
            Tc(r, "limit", gone, $"qdisc add dev {device} root handle 1: pfifo"),
            Tc(r, "qdisc", gone, $"qdisc add dev {device} root handle 1: htb default 2"),
            Tc(r, "classes", $"class add dev {device} parent 1: classid 1:2 htb rate 100mbit"),
            Tc(r, "filters of the limit", $"filter add dev {device} parent 1: protocol ip prio 1 u32 match u32 0 0 flowid 1:1"),
        ];
    }

    private static IEnumerable<Tampering> Classes(ClassState c) =>
    [
        Tc(c, null, $"class del dev {NameOf(c.Device)} classid 1:1"),
        Tc(c, "", $"class change dev {NameOf(c.Device)} parent 1: classid 1:1 htb rate 100mbit"),
    ];

    private static IEnumerable<Tampering> Queues(QueueState q)
    {
        string device = NameOf(q.Device);
        return
        [
            Tc(q, null, $"qdisc del dev {device} parent 1:1"),
            Tc(q, "", $"qdisc del dev {device} parent 1:1", $"qdisc add dev {device} parent 1:1 handle 5: pfifo"),
            Tc(q, "target", $"qdisc change dev {device} parent 1:1 handle 2: fq_codel target 77ms"),
            Tc(q, "interval", $"qdisc change dev {device} parent 1:1 handle 2: fq_codel interval 777ms"),
        ];
    }

    private static IEnumerable<Tampering> PlainQueues(PlainQueueState q) => [Tc(q, "", $"qdisc add dev {NameOf(q.Device)} parent 1:1 handle 5: pfifo")];

    // Somebody else's in its place is not removed, and so not mended: that is a test of its own.
    private static IEnumerable<Tampering> Flows(FlowQdiscState f) =>
    [
        Tc(f, null, $"qdisc del dev {f.Device} {(f.Parent.IsRoot ? "root" : $"parent {f.Parent}")}"),
        Tc(f, "", $"qdisc del dev {f.Device} {(f.Parent.IsRoot ? "root" : $"parent {f.Parent}")}"),
        Tc(
            f,
            "queues",
            $"qdisc del dev {f.Device} {(f.Parent.IsRoot ? "root" : $"parent {f.Parent}")}",
            $"qdisc add dev {f.Device} {(f.Parent.IsRoot ? "root" : $"parent {f.Parent}")} handle 706d: fq_codel flows 512"),
    ];

    private static IEnumerable<Tampering> Programs(ProgramState p)
    {
        string gone = $"filter del dev {p.Device} ingress prio {p.At.Priority}";
        yield return Tc(p, null, gone);
        yield return Tc(p, "kind", gone, $"filter add dev {p.Device} ingress protocol all prio {p.At.Priority} u32 match u32 0 0 flowid :1");
        if (p.Tag is not null)
        {
            yield return new Tampering("program", scene =>
            {
                scene[p.Place].Tc(gone);
                ClassifierProgram.AddFilter(scene[p.Place], p.Device, "ingress", p.At.Priority, "stranger");
            });
        }
    }

    /// <summary>The device of which the texts say where it is as well.</summary>
    internal static string NameOf(string device) => device.Split(' ')[0];
}
