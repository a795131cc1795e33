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
/// <param name="Rounds">What each round gave, beside bulk flows.</param>
internal sealed record IsolationRow(string Contestant, Bottleneck Bottleneck, bool Other, double[] Idle, List<IsolationRound> Rounds)
{
    public double Goodput => Sample.Median(Rounds.Select(round => round.Goodput));

    public double Max => Counted.Max(round => round.Trips.Milliseconds.Max());

    /// <summary>Without those in which the guest never went on for long enough.</summary>
    private IEnumerable<IsolationRound> Counted => Rounds.Where(round => round.Trips.Milliseconds.Length > 0);

    /// <summary>The median over the rounds, so that one in which the machine was busy with something else does not decide.</summary>
    public double Percentile(double percent) => Sample.Median(Counted.Select(round => round.Percentile(percent)));

    /// <summary>The median over the rounds of how this did beside another in the same round.</summary>
    public double Ratio(IsolationRow other, Func<IsolationRound, double> value) =>
        Sample.Median(Rounds.Zip(other.Rounds, (mine, others) => value(mine) / value(others)).Where(double.IsFinite));
}

/// <summary>One round of it.</summary>
/// <param name="Trips">The thin flow's.</param>
/// <param name="Goodput">Mbit/s of payload that the bulk flows carried meanwhile.</param>
internal sealed record IsolationRound(RoundTrips Trips, double Goodput)
{
    public double Percentile(double percent) => new Sample(Trips.Milliseconds).Percentile(percent);
}

/// <summary>
/// Whether a container's bulk flows delay its own thin flow, and those of others. Needs fq_codel, and so runs on a kernel that has it.
/// Each contestant has a host of its own; they take turns, so that whatever else the machine does hits all of them.
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
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(500);

    public IReadOnlyList<IsolationRow> Run()
    {
        List<Host> hosts = [];
        try
        {
            foreach (Bottleneck bottleneck in Enum.GetValues<Bottleneck>())
            {
                foreach ((string name, Func<Topology, PluginChain> plugin) in Places(bottleneck))
                {
                    Progress.Say($"  {bottleneck}: {name}");
                    hosts.Add(new Host(name, bottleneck, plugin));
                }
            }

            List<IsolationRow>[] rows = [.. hosts.Select(host => host.Rest(quick ? 50 : 150))];
            int rounds = quick ? 1 : 3;
            for (int round = 0; round < rounds; round++)
            {
                for (int i = 0; i < hosts.Count; i++)
                {
                    hosts[i].Load(rows[i], quick ? 150 : 200);
                }

                Progress.Say($"  round {round + 1}/{rounds}");
            }

            return [.. rows.SelectMany(of => of)];
        }
        finally
        {
            hosts.ForEach(host => host.Dispose());
        }
    }

    private static IEnumerable<(string Name, Func<Topology, PluginChain> Plugin)> Places(Bottleneck bottleneck)
    {
        yield return (Own, OwnPlugin);
        if (bottleneck != Bottleneck.Ingress)
        {
            string parent = bottleneck == Bottleneck.Master ? "1:10" : "root";
            yield return (Unique, topology => OwnPlugin(topology, ("egressUniqueFlowPerContainer", true), ("egressFlowClassifierParent", parent)));
        }

        yield return (Reference, topology => ReferencePlugin(topology, EqualBurst));
        if (bottleneck == Bottleneck.Egress)
        {
            yield return (Generous, topology => ReferencePlugin(topology, KubernetesBurst));
        }
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

    /// <summary>One contestant's host, with a container that gets the load and, where it is about others, a second one.</summary>
    private sealed class Host : IDisposable
    {
        private readonly string _name;
        private readonly Bottleneck _bottleneck;
        private readonly Topology _topology = new();
        private readonly Namespace[] _containers;

        public Host(string name, Bottleneck bottleneck, Func<Topology, PluginChain> prepare)
        {
            (_name, _bottleneck) = (name, bottleneck);
            if (bottleneck == Bottleneck.Master)
            {
                string master = _topology.Options.Master;
                _topology.Host.TcBatch(
                    $"qdisc add dev {master} root handle 1: htb default 10",
                    $"class add dev {master} parent 1: classid 1:10 htb rate {MasterMegabits}mbit burst 50kb cburst 50kb quantum 1514");
            }

            PluginChain plugin = prepare(_topology);
            _containers = [.. Enumerable.Range(0, bottleneck == Bottleneck.Master ? 2 : 1).Select(_ => _topology.AddContainerNamespace())];
            for (int i = 0; i < _containers.Length; i++)
            {
                plugin.Add(i, _containers[i]);
            }
        }

        /// <summary>Rows without a round yet: round trips without any load.</summary>
        public List<IsolationRow> Rest(int count) =>
            [.. Talk(count).Select((trips, i) => new IsolationRow(_name, _bottleneck, i > 0, trips.Milliseconds, []))];

        /// <summary>Adds a round to each row.</summary>
        public void Load(List<IsolationRow> rows, int count)
        {
            using BulkFlows bulk = new(_topology, _containers[0], _bottleneck == Bottleneck.Ingress ? Direction.Ingress : Direction.Egress, BulkCount);

            // The slow start, and then for as long as a burst that was saved up lets more pass than the limit.
            double goodput = Meter(bulk, () => Thread.Sleep(Moment));
            for (int i = 0; i < 20 && (i == 0 || goodput > Megabits); i++)
            {
                goodput = Meter(bulk, () => Thread.Sleep(Moment));
            }

            RoundTrips[] trips = [];
            goodput = Meter(bulk, () => trips = Talk(count));
            for (int i = 0; i < rows.Count; i++)
            {
                rows[i].Rounds.Add(new IsolationRound(trips[i], goodput));
            }
        }

        public void Dispose() => _topology.Dispose();

        private static double Meter(BulkFlows bulk, Action action)
        {
            (long begin, long received) = (Stopwatch.GetTimestamp(), bulk.Received);
            action();
            return (bulk.Received - received) * 8 / Stopwatch.GetElapsedTime(begin).TotalMicroseconds;
        }

        private RoundTrips[] Talk(int count)
        {
            using Heartbeat heartbeat = new();
            ThinFlow[] flows = [.. _containers.Select(container => ThinFlow.Start(_topology, container, count, Pace))];
            return [.. flows.Select(flow => flow.Finish(heartbeat))];
        }
    }
}
