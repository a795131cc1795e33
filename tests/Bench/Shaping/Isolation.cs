using System.Diagnostics;
using System.Text.Json.Nodes;
using CniIsolator.Bench.Control;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Shaping;

/// <summary>Where packets queue while bulk flows run.</summary>
internal enum Bottleneck
{
    /// <summary>At the container's own limit, on what it sends.</summary>
    Egress,

    /// <summary>At the container's own limit, on what it receives.</summary>
    Ingress,

    /// <summary>On the master, where an operator's class is narrower than the container's limit.</summary>
    Master,
}

/// <summary>A thin flow's round trips beside bulk flows.</summary>
/// <param name="Contestant">Who made and limited the containers.</param>
/// <param name="Bottleneck">Where the queue is.</param>
/// <param name="Other">Whether the thin flow is another container's than the bulk flows.</param>
/// <param name="Idle">Milliseconds without bulk flows.</param>
/// <param name="Loaded">Milliseconds beside them.</param>
/// <param name="Lost">Requests that were not answered, of those beside bulk flows.</param>
/// <param name="Disturbed">Requests that were answered, but the guest stood still meanwhile: they are left out.</param>
/// <param name="Sent">Requests beside bulk flows.</param>
/// <param name="Goodput">Mbit/s of payload that the bulk flows carried meanwhile.</param>
internal sealed record IsolationRow(
    string Contestant, Bottleneck Bottleneck, bool Other, double[] Idle, double[] Loaded, int Lost, int Disturbed, int Sent, double Goodput);

/// <summary>
/// Whether a container's bulk flows delay its own thin flow, and those of others. Needs fq_codel, and so runs on a kernel that has it.
/// Each contestant gets a host of its own, one after the other.
/// </summary>
internal sealed class Isolation(bool quick)
{
    public const string Own = "cni-portmap-isolate";
    public const string Unique = "cni-portmap-isolate, unique flows";
    public const string Reference = "bandwidth plugin";
    public const string Generous = "bandwidth plugin, Kubernetes' burst";

    /// <summary>The container's limit, Mbit/s.</summary>
    public const int Megabits = 50;

    /// <summary>What the operator's class lets leave the master, Mbit/s.</summary>
    public const int MasterMegabits = 40;

    public const int BulkCount = 32;

    /// <summary>Time between two requests of a thin flow, ms. No divisor of the 10 ms after which a burst of the rate is used up.</summary>
    public const int PaceMilliseconds = 7;

    /// <summary>What Kubernetes' kubelet gave with each limit, in bits. 268 MB pass at line speed first, and as many may queue from then on.</summary>
    private const long KubernetesBurst = int.MaxValue;

    /// <summary>In bits, what the rate brings in 10 ms: this project's choice too.</summary>
    private const long EqualBurst = Megabits * 10_000L;

    private const int SliceSize = 64;
    private const int FirstPort = 31000;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(PaceMilliseconds);
    private static readonly TimeSpan Warm = TimeSpan.FromSeconds(2);

    public IReadOnlyList<IsolationRow> Run()
    {
        List<IsolationRow> rows = [];
        foreach (Bottleneck bottleneck in Enum.GetValues<Bottleneck>())
        {
            rows.AddRange(Measure(Own, bottleneck, OwnPlugin));
            if (bottleneck != Bottleneck.Ingress)
            {
                JsonNode parent = bottleneck == Bottleneck.Master ? "1:10" : "root";
                rows.AddRange(Measure(
                    Unique,
                    bottleneck,
                    topology => OwnPlugin(topology, ("egressUniqueFlowPerContainer", true), ("egressFlowClassifierParent", parent))));
            }

            rows.AddRange(Measure(Reference, bottleneck, topology => ReferencePlugin(topology, EqualBurst)));
            if (bottleneck == Bottleneck.Egress)
            {
                rows.AddRange(Measure(Generous, bottleneck, topology => ReferencePlugin(topology, KubernetesBurst)));
            }
        }

        return rows;
    }

    private List<IsolationRow> Measure(string name, Bottleneck bottleneck, Func<Topology, PluginChain> prepare)
    {
        Progress.Say($"  {bottleneck}: {name}");
        using Topology topology = new();
        if (bottleneck == Bottleneck.Master)
        {
            string master = topology.Options.Master;
            topology.Host.TcBatch(
                $"qdisc add dev {master} root handle 1: htb default 10",
                $"class add dev {master} parent 1: classid 1:10 htb rate {MasterMegabits}mbit burst 50kb cburst 50kb quantum 1514");
        }

        PluginChain plugin = prepare(topology);
        Namespace[] containers = [.. Enumerable.Range(0, bottleneck == Bottleneck.Master ? 2 : 1).Select(number =>
        {
            Namespace container = topology.AddContainerNamespace();
            plugin.Add(number, container);
            return container;
        })];
        RoundTrips[] idle = Talk(topology, containers, quick ? 50 : 150);
        using BulkFlows bulk = new(topology, containers[0], bottleneck == Bottleneck.Ingress ? Direction.Ingress : Direction.Egress, BulkCount);
        Thread.Sleep(Warm);
        int count = quick ? 200 : 500;
        (long begin, long received) = (Stopwatch.GetTimestamp(), bulk.Received);
        RoundTrips[] loaded = Talk(topology, containers, count);
        double goodput = (bulk.Received - received) * 8 / Stopwatch.GetElapsedTime(begin).TotalMicroseconds;
        return [.. containers.Select((_, i) => new IsolationRow(
            name, bottleneck, i > 0, idle[i].Milliseconds, loaded[i].Milliseconds, loaded[i].Lost, loaded[i].Disturbed, count, goodput))];
    }

    private static RoundTrips[] Talk(Topology topology, Namespace[] containers, int count)
    {
        using Heartbeat heartbeat = new();
        ThinFlow[] flows = [.. containers.Select(container => ThinFlow.Start(topology, container, count, Pace))];
        return [.. flows.Select(flow => flow.Finish(heartbeat))];
    }

    private static PluginChain OwnPlugin(Topology topology) => OwnPlugin(topology, []);

    private static PluginChain OwnPlugin(Topology topology, params (string Key, JsonNode Value)[] keys) =>
        Contestants.Limited(topology, SliceSize, Megabits * 1_000_000L / 8, number => FirstPort + number, keys);

    private static PluginChain ReferencePlugin(Topology topology, long burst)
    {
        // Its containers have addresses of their own, which the outside must know the way to.
        topology.Out.Ip($"route add {Contestants.PtpSubnet} via {topology.HostAddress}");
        return Contestants.LimitedPtp(topology, Megabits * 1_000_000L, burst);
    }
}
