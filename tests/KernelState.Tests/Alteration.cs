using System.Net;
using CniIsolator.DataPath;
using CniIsolator.KernelState.Objects;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState.Tests;

/// <summary>An object as somebody may have made it instead: of the same key, with one attribute that is otherwise.</summary>
/// <param name="Attribute">The attribute's name.</param>
/// <param name="Wrong">The object.</param>
internal sealed record Alteration(string Attribute, KernelObject Wrong)
{
    private static readonly MacAddress OtherMac = MacAddress.Parse("02:00:00:00:00:99");

    private static readonly Dictionary<(Type Type, string Attribute), Func<KernelObject, IEnumerable<KernelObject>>> Known = new(
    [
        On<AddressState>("", a => [a with { Others = "203.0.113.5/24" }]),
        On<RouteState>("", r => [r with { Gateway = InternetAddress.From(IPAddress.Parse("203.0.113.1")) }, r with { Gateway = null }]),
        On<FilterState>("", f => Filters(f.Filter).Select(other => f with { Filter = other })),
        On<ProgramState>("kind", p => [p with { Kind = "matchall" }, p with { Kind = "bpf without direct action" }, p with { Kind = "bpf, bpf" }]),
        On<ProgramState>("program", p => [p with { Tag = "0123456789abcdef" }]),
        On<VethState>("kind", v => [v with { Kind = "dummy" }]),
        On<VethState>("index", v => [v with { Index = v.Index + 1 }]),
        On<VethState>("index of the far end", v => [v with { HostIndex = v.HostIndex + 1 }]),
        On<LinkState>("kind", l => [l with { Kind = "dummy" }]),
        On<LinkState>("index", l => [l with { Index = l.Index + 1 }]),
        On<LinkState>("MAC", l => [l with { Mac = OtherMac }]),
        On<LinkState>("MTU", l => [l with { Mtu = 1300 }]),
        On<LinkState>("alias", l => [l with { Alias = "" }, l with { Alias = "uplink" }]),
        On<LinkState>("state", l => [l with { IsUp = !l.IsUp }]),
        On<MasterState>("name", m => [m with { Values = m.Values with { Master = "wan0" } }]),
        On<MasterState>("index", m => [m with { Values = m.Values with { MasterIndex = 99 } }]),
        On<MasterState>("MAC", m => [m with { Values = m.Values with { Mac = OtherMac.ToString() } }]),
        On<MasterState>("MTU", m => [m with { Values = m.Values with { Mtu = 1300 } }]),
        On<MasterState>(
            "address",
            m => [m with { Values = m.Values with { Address = IPAddress.Parse("192.0.2.99") } }, m with { Values = m.Values with { PrefixLength = 25 } }]),
        On<MasterState>(
            "gateway",
            m =>
            [
                m with { Values = m.Values with { Gateway = IPAddress.Parse("192.0.2.98") } },
                .. m.Values.Gateway is null ? (MasterState[])[] : [m with { Values = m.Values with { Gateway = null } }],
            ]),
        On<SysctlState>("", s => [s with { Value = s.Value == "0" ? "1" : "0" }]),
        On<OffloadState>("", o => [o with { LeavesChecksums = true }]),
        On<HookState>("", h => [h with { Kind = "ingress" }]),
        On<RootQdiscState>("limit", r => [r with { Kind = "tbf", Settings = "tbf" }, r with { Handle = 0x0007_0000 }]),
        On<RootQdiscState>("qdisc", r => [r with { Settings = "htb default 2 direct_qlen 1000" }]),
        On<RootQdiscState>("classes", r => [r with { OtherClasses = "class 1:2" }]),
        On<RootQdiscState>("filters of the limit", r => [r with { Filters = "u32 at priority 1" }]),
        On<ClassState>("", c => Classes(c.Class).Select(other => c with { Class = other })),
        On<QueueState>("", q => [q with { Kind = "pfifo", Queue = new FqCodelSettings(), Handle = 0x0005_0000 }]),
        On<QueueState>("target", q => [q with { Queue = q.Queue with { TargetMicroseconds = 77_000 } }]),
        On<QueueState>("interval", q => [q with { Queue = q.Queue with { IntervalMicroseconds = 770_000_000 } }]),
        On<PlainQueueState>("", q => [new QueueState(q.Device, q.Index, new FqCodelSettings()) { Place = q.Place, Kind = "pfifo", Handle = 0x0005_0000 }]),
        On<FlowQdiscState>("", f => [f with { Kind = "htb 1:0", Handle = Shaper.Qdisc }, f with { Kind = "fq 0:0", Handle = 0, IsDefault = true }]),
        On<FlowQdiscState>("queues", f => [f with { Queues = 512 }]),
    ]);

    /// <summary>For each attribute of the object at least one. An attribute that nobody has thought of here is a fault of the tests.</summary>
    public static IEnumerable<Alteration> Of(KernelObject planned) => planned.Attributes.SelectMany(attribute =>
        Known.TryGetValue((planned.GetType(), attribute.Name), out Func<KernelObject, IEnumerable<KernelObject>>? alter)
            ? alter(planned).Select(wrong => new Alteration(attribute.Name, wrong))
            : throw new InvalidOperationException($"nobody has said how the attribute \"{attribute.Name}\" of a {planned.GetType().Name} can be otherwise"));

    private static KeyValuePair<(Type Type, string Attribute), Func<KernelObject, IEnumerable<KernelObject>>> On<T>(
        string attribute, Func<T, IEnumerable<KernelObject>> alter)
        where T : KernelObject => KeyValuePair.Create<(Type Type, string Attribute), Func<KernelObject, IEnumerable<KernelObject>>>(
            (typeof(T), attribute), planned => alter((T)planned));

    private static IEnumerable<HtbClass> Classes(HtbClass one) =>
    [
        one with { Rate = one.Rate + 1 }, one with { Ceil = one.Ceil + 1 }, one with { Buffer = one.Buffer + 1 }, one with { CeilBuffer = one.CeilBuffer + 1 },
        one with { Quantum = one.Quantum + 1 },
    ];

    private static IEnumerable<U32Filter> Filters(U32Filter filter) => filter switch
    {
        U32Table table => [table with { Divisor = table.Divisor == 1 ? 2 : 1 }],
        U32Node node => [.. Matches(node), .. Effects(node)],
        _ => [],
    };

    private static IEnumerable<U32Node> Matches(U32Node node)
    {
        yield return node with { Keys = [.. node.Keys, new U32Key(0x4500_0000, 0xff00_0000, 0)] };
        for (int i = 0; i < node.Keys.Count; i++)
        {
            U32Key key = node.Keys[i];
            yield return node with { Keys = [.. node.Keys.Take(i), Flip(key), .. node.Keys.Skip(i + 1)] };
            yield return node with { Keys = [.. node.Keys.Take(i), key with { At = key.At + 4 }, .. node.Keys.Skip(i + 1)] };
        }
    }

    // A key that compares nothing is made to compare a bit.
    private static U32Key Flip(U32Key key) => key.Mask == 0 ? key with { Value = 1, Mask = 1 } : key with { Value = key.Value ^ (key.Mask & (~key.Mask + 1)) };

    private static IEnumerable<U32Node> Effects(U32Node node)
    {
        U32Node without = node with { Link = null, Action = null, Class = null };
        if (node.Link is { } link)
        {
            yield return without;
            yield return node with { Link = link with { HashMask = link.HashMask ^ 0x0100_0000 } };
            yield return node with { Link = link with { Offset = link.Offset is null ? U32Offset.BehindIPv4 : null } };
        }
        else if (node.Action is { } action)
        {
            yield return without;
            yield return without with { Action = action with { Target = action.Target + 1 } };
            yield return without with { Action = Mirred.Mirror(action.Target, action.Verdict == Verdict.Pass ? Verdict.Stolen : Verdict.Pass) };
        }
        else if (node.Class is { } queue)
        {
            yield return without with { Class = queue ^ 1 };
        }
        else
        {
            yield return without with { Action = Mirred.Redirect(77) };
        }
    }
}
