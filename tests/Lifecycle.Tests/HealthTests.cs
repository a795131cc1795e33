using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>Whether packets can reach a container and leave it is told in every list; one that gets none is never plainly ready.</summary>
public sealed class HealthTests : IDisposable
{
    private static readonly (string Name, Action<Bed> Harm, string[] Said)[] Harms =
    [
        ("host end deleted", bed => bed.Host.Ip($"link del {bed.HostInterface("c1")}"), ["link VETH", "found none"]),
        ("host end down", bed => bed.Host.Ip($"link set {bed.HostInterface("c1")} down"), ["state of VETH"]),
        ("host end's hook", bed => Tc(bed, $"qdisc del dev {bed.HostInterface("c1")} clsact"), ["qdisc for filters of VETH"]),
        ("master's hook", bed => Tc(bed, "qdisc del dev eth0 clsact"), ["on eth0", "found none"]),
        ("lo's hook", bed => Tc(bed, "qdisc del dev lo clsact"), ["on lo", "found none"]),
        ("one shared filter", bed => Tc(bed, "filter del dev eth0 ingress protocol ip prio 28782 handle 601::2 u32"), ["filter 601:0:2 on eth0"]),
        ("an entry of its own", bed => Tc(bed, "filter del dev eth0 ingress protocol ip prio 28782 handle 610:40:801 u32"), ["filter 610:40:801 on eth0"]),
        ("MAC of lo", bed => bed.Host.Ip("link set lo address 02:00:00:00:00:99"), ["MAC of the host's lo"]),
        ("accept_local of lo", bed => bed.Host.Sysctl("net/ipv4/conf/lo/accept_local", "0"), ["net/ipv4/conf/lo/accept_local"]),
        ("master's MAC", bed => bed.Host.Ip("link set eth0 address 02:00:00:00:00:99"), ["MAC of eth0"]),
        ("address replaced", bed => bed.Host.IpBatch("address flush dev eth0", "address add 10.77.0.9/24 dev eth0"), ["address of eth0", "10.77.0.9/24"]),
        ("master down", bed => bed.Host.Ip("link set eth0 down"), ["master", "down"]),
        ("limit on what it receives", bed => Tc(bed, $"qdisc del dev {bed.HostInterface("c1")} root"), ["limit of VETH"]),
    ];

    private readonly Bed _bed = new();

    public static TheoryData<string> Names => [.. Harms.Select(one => one.Name)];

    public void Dispose() => _bed.Dispose();

    [Fact]
    public void A_container_that_is_well_has_no_warning()
    {
        Add(_bed.Container());
        JsonObject listed = _bed.Listed("c1");
        Assert.True((bool)listed["healthy"]!);
        Assert.All(listed["warnings"]!.AsArray(), w => Assert.Contains("fq_codel", (string)w!, StringComparison.Ordinal));
        Assert.Equal("ready", Column("STATE"));
        Assert.Matches("(?m)^state: +ready$", _bed.Plugin.CommandLine("show", "c1").Output);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void One_that_packets_cannot_reach_or_leave_says_so(string name)
    {
        (_, Action<Bed> harm, string[] said) = Harms.Single(one => one.Name == name);
        Namespace container = _bed.Container();
        Add(container);
        string veth = _bed.HostInterface("c1");
        harm(_bed);
        Unhealthy([.. said.Select(part => part.Replace("VETH", veth, StringComparison.Ordinal))]);
    }

    [Fact]
    public void A_limit_inside_is_looked_at_as_well()
    {
        Namespace container = _bed.Container();
        Add(container);
        container.Execute("tc", "qdisc", "del", "dev", "eth0", "root").Require();
        Unhealthy("limit of eth0 in the container");
    }

    [Fact]
    public void A_namespace_that_is_gone_is_told()
    {
        Namespace container = _bed.Container();
        Add(container);

        // A process keeps the namespace, and so the interface, without a path.
        using System.Diagnostics.Process inside = container.Start("sleep", "600");
        _bed.Host.Execute("umount", "-l", container.Path).Require();
        try
        {
            Unhealthy(container.Path, "is gone");
        }
        finally
        {
            inside.Kill();
            inside.WaitForExit();
        }

        _bed.Plugin.CommandLine("gc").Require();
        Assert.Empty(_bed.Records);
    }

    [Fact]
    public void A_container_s_end_that_is_down_is_seen_from_the_host()
    {
        Namespace container = _bed.Container();
        Add(container);
        container.Ip("link set eth0 down");
        Unhealthy($"carrier of {_bed.HostInterface("c1")}", "eth0 in the container is down");
    }

    [Fact]
    public void What_a_dead_process_or_an_earlier_boot_has_left_says_so()
    {
        Namespace container = _bed.Container();
        Add(container);
        _bed.EditRecord("c1", record => record["state"] = "creating");
        Told("creating", "the process that was to make it has died");
        _bed.EditRecord("c1", record => record["state"] = "deleting");
        Told("deleting", "the process that was to remove it has died");
        _bed.EditRecord("c1", record =>
        {
            record["state"] = "ready";
            record["madeOn"]!["bootId"] = "00000000-0000-0000-0000-000000000000";
        });
        Told("ready, unhealthy", "before the machine started");

        void Told(string state, string warning)
        {
            JsonObject listed = _bed.Listed("c1");
            Assert.False((bool)listed["healthy"]!);
            Bed.Says(listed["warnings"]!.ToJsonString(), warning);
            Assert.Equal(state, Column("STATE"));
        }
    }

    [Fact]
    public void Others_of_the_host_are_judged_by_themselves()
    {
        Add(_bed.Container());
        _bed.Added("c2");
        _bed.Host.Ip($"link del {_bed.HostInterface("c2")}");
        Assert.True((bool)_bed.Listed("c1")["healthy"]!);
        Assert.False((bool)_bed.Listed("c2")["healthy"]!);
    }

    private void Add(Namespace container) => _bed.Plugin.Add(
        container,
        "c1",
        config: _bed.Config.With("egressRateLimitPerContainer", 1_000_000).With("ingressRateLimitPerContainer", 1_000_000)).Require();

    private void Unhealthy(params string[] said)
    {
        JsonObject listed = _bed.Listed("c1");
        Assert.False((bool)listed["healthy"]!);
        Bed.Says(listed["warnings"]!.ToJsonString().Replace("\\u0027", "'", StringComparison.Ordinal), said);
        Assert.Contains("ready, unhealthy", _bed.Plugin.CommandLine("list").Output, StringComparison.Ordinal);
        Assert.Matches("(?m)^state: +ready, unhealthy", _bed.Plugin.CommandLine("show", "c1").Output);
    }

    private string Column(string title)
    {
        string[] lines = _bed.Plugin.CommandLine("list").Output.Split('\n');
        int begin = lines[0].IndexOf(title, StringComparison.Ordinal);
        return lines[1][begin..].Split("  ")[0].Trim();
    }

    private static void Tc(Bed bed, string arguments) => bed.Host.Execute("tc", arguments.Split(' ')).Require();
}
