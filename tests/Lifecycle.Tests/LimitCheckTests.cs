using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>CHECK finds out whoever took a limit off or widened it, on either end.</summary>
public sealed class LimitCheckTests
{
    private const string Keys = "\"egressRateLimitPerContainer\":1000000,\"ingressRateLimitPerContainer\":1000000";

    /// <summary>One way of tampering, with what CHECK must say. DEV stands for the device.</summary>
    private static readonly (string Name, string[] Do, string[] Said)[] Tampering =
    [
        ("removed", ["qdisc del dev DEV root"], ["expected htb with 1000000 B/s", "found none"]),
        ("pfifo instead", ["qdisc del dev DEV root", "qdisc add dev DEV root handle 1: pfifo"],
            ["expected htb with 1000000 B/s", "found a qdisc pfifo 1:"]),
        ("tbf instead", ["qdisc del dev DEV root", "qdisc add dev DEV root handle 1: tbf rate 10gbit burst 1m latency 10ms"],
            ["expected htb with 1000000 B/s", "found a qdisc tbf 1:"]),
        ("another htb", ["qdisc del dev DEV root", "qdisc add dev DEV root handle 9: htb"],
            ["expected htb with 1000000 B/s", "found a qdisc htb 9:"]),
        ("direct queue",
            ["qdisc del dev DEV root", "qdisc add dev DEV root handle 1: htb default 1", "class add dev DEV parent 1: classid 1:1 htb rate 8mbit burst 10000 cburst 10000 quantum 1514"],
            ["expected htb default 1 direct_qlen 0", "found htb default 1 direct_qlen 1000"]),
        ("another default", ["qdisc del dev DEV root", "qdisc add dev DEV root handle 1: htb default 7 direct_qlen 0"],
            ["found htb default 7 direct_qlen 0", "class 1:1 rate 1000000 B/s", "found none"]),
        ("rate", ["class change dev DEV classid 1:1 htb rate 800mbit ceil 800mbit quantum 1514"],
            ["expected class 1:1 rate 1000000 B/s ceil 1000000 B/s", "found class 1:1 rate 100000000 B/s ceil 100000000 B/s"]),
        ("ceil", ["class change dev DEV classid 1:1 htb rate 8mbit ceil 800mbit burst 10000 quantum 1514"],
            ["rate 1000000 B/s ceil 1000000 B/s", "found class 1:1 rate 1000000 B/s ceil 100000000 B/s"]),
        ("burst", ["class change dev DEV classid 1:1 htb rate 8mbit ceil 8mbit burst 10m cburst 10m quantum 1514"],
            ["expected class 1:1", "buffer 156250", "found class 1:1"]),
        ("second class", ["class add dev DEV parent 1: classid 1:2 htb rate 800mbit quantum 1514"],
            ["classes of", "expected none but 1:1", "found class 1:2 rate 100000000 B/s"]),
        ("filter", ["filter add dev DEV parent 1: protocol ip prio 5 u32 match u32 0 0 classid 1:0"],
            ["filters of the limit of", "expected none", "found u32 at priority 5"]),
        ("another queue", ["qdisc replace dev DEV parent 1:1 handle 2: pfifo limit 1"], ["queue of", "found pfifo"]),
        ("class removed", ["qdisc del dev DEV root", "qdisc add dev DEV root handle 1: htb default 1 direct_qlen 0"],
            ["expected class 1:1 rate 1000000 B/s", "found none"]),
    ];

    public static TheoryData<string, bool> Cases
    {
        get
        {
            TheoryData<string, bool> all = [];
            foreach ((string name, _, _) in Tampering)
            {
                all.Add(name, true);
                all.Add(name, false);
            }

            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_limit_that_was_tampered_with_is_found_and_described(string name, bool inContainer)
    {
        (_, string[] commands, string[] said) = Tampering.Single(one => one.Name == name);
        using Bed bed = new();
        NetworkConfig config = LimitTests.With(bed.Config, Keys);
        Namespace container = bed.Container();
        bed.Plugin.Add(container, "c1", config: config).Require();
        string veth = bed.HostInterface("c1");
        bed.Plugin.Check(container, "c1", config: config).Require();

        (Namespace place, string device) = inContainer ? (container, "eth0") : (bed.Host, veth);
        place.TcBatch([.. commands.Select(command => command.Replace("DEV", device, StringComparison.Ordinal))]);
        PluginResult result = bed.Plugin.Check(container, "c1", config: config);
        Bed.Fails(result, 106);
        Bed.Says(result.ErrorDetails, [.. said, inContainer ? "eth0 in the container: expected" : $"{veth}: expected"]);
        Assert.DoesNotContain(inContainer ? veth : "in the container", result.ErrorDetails, StringComparison.Ordinal);
        bed.Plugin.Del(container, "c1", config: config).Require();
        Assert.DoesNotContain("htb", container.Tc("qdisc show"), StringComparison.Ordinal);
        bed.AssertClean();
    }
}
