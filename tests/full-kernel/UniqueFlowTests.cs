using System.Net.Sockets;

namespace CniIsolator.FullKernel.Tests;

/// <summary>One flow of an fq_codel on the master for each container, so that the wire is shared fairly.</summary>
public sealed class UniqueFlowTests
{
    internal const int HostFlow = 1;
    private const int CommonFlow = 2;
    internal const int FirstFlow = 3;

    internal static readonly ProbeOptions Forty = new() { Datagrams = 40 };

    [Fact]
    public void Containers_get_the_lowest_free_flow_and_the_last_one_takes_the_qdisc_along()
    {
        using Site site = new(Unique);
        Container first = site.Add(31000);
        site.Add(31001);
        Assert.Equal("fq_codel 706d: root", Assert.Single(TrafficControl.Qdiscs(site.Host, site.Master)).ToString());
        Assert.Equal([HostFlow, CommonFlow, FirstFlow, FirstFlow + 1], Flows(site));
        site.Delete(first);
        Assert.Equal([HostFlow, CommonFlow, FirstFlow + 1], Flows(site));
        site.Add(31002);
        Assert.Equal([HostFlow, CommonFlow, FirstFlow, FirstFlow + 1], Flows(site));
        foreach (Container container in site.Containers.ToArray())
        {
            site.Check(container);
            site.Delete(container);
        }

        site.AssertClean();
    }

    [Fact]
    public async Task Every_packet_that_leaves_is_put_into_its_sender_s_flow()
    {
        using Site site = new(Unique);
        Container first = site.Add(31000);
        Container second = site.Add(31001);

        // From the slice, then from the fixed port.
        await AssertTakesAsync(site, FirstFlow, () => site.AssertReachesOutAsync(first.Place, Transport.Udp, Forty));
        await AssertTakesAsync(site, FirstFlow + 1, () => site.AssertReachesOutAsync(second.Place, Transport.Udp, Forty));
        await AssertTakesAsync(site, FirstFlow, () => site.AssertReachableAsync(first, Transport.Udp, Forty));
        await AssertTakesAsync(site, FirstFlow + 1, () => site.AssertReachableAsync(second, Transport.Udp, Forty));
        await AssertTakesAsync(site, HostFlow, () => site.AssertReachesOutAsync(site.Host, Transport.Udp, Forty));
        await AssertTakesAsync(site, FirstFlow, () => site.AssertReachesOutAsync(first.Place, Transport.Tcp, ProbeOptions.Small with { StreamBytes = 100_000 }), 5);

        // Whose echo request or ARP request it is does not matter.
        foreach (Namespace place in new[] { first.Place, second.Place, site.Host })
        {
            await AssertTakesAsync(site, CommonFlow, async () => Assert.Equal(new PingResult(3, 3, 0), await Ping.SendAsync(place, site.Topology.OutAddress)), 3);
        }

        // Nor that it is about a packet to a port of the first one's: nobody listens there.
        await AssertTakesAsync(
            site,
            CommonFlow,
            async () => Assert.False((await Probe.RunAsync(site.Out, Transport.Udp, new IPEndPoint(site.Topology.HostAddress, first.Port))).Ok),
            1);
        Assert.Equal(0, Assert.Single(TrafficControl.Qdiscs(site.Host, site.Master)).Counter("drops"));
    }

    [Fact]
    public void The_qdisc_goes_with_the_last_container_that_has_a_flow_and_uninstall_says_so()
    {
        using Site site = new();
        site.Add(31000);
        NetworkConfig unique = Unique(site.Plugin.Config).WithPorts(31001);
        Namespace other = site.Topology.AddContainerNamespace();
        site.Plugin.Add(other, "with-flow", config: unique).Require();
        Assert.Equal([HostFlow, CommonFlow, FirstFlow], Flows(site));
        site.Plugin.Del(other, "with-flow", config: unique).Require();
        Assert.Empty(TrafficControl.Qdiscs(site.Host, site.Master));

        // Another place than before is as good, since nobody's flow is at the old one.
        site.Host.TcBatch("qdisc add dev eth0 root handle 1: htb default 10", "class add dev eth0 parent 1: classid 1:10 htb rate 1gbit");
        site.Plugin.Add(other, "with-flow", config: unique.With("egressFlowClassifierParent", "1:10")).Require();
        Assert.Contains("fq_codel 706d: 1:10", TrafficControl.Qdiscs(site.Host, site.Master).Select(one => one.ToString()));
        CommandResult removed = site.Plugin.CommandLine("uninstall", "--force");
        Assert.True(removed.ExitCode == 0, removed.ToString());
        Assert.Contains("fq_codel 706d: of eth0 at 1:10", removed.Output, StringComparison.Ordinal);
        Assert.Equal(["htb 1: root"], TrafficControl.Qdiscs(site.Host, site.Master).Select(one => one.ToString()));
        site.Host.Tc("qdisc del dev eth0 root");
        site.AssertClean();
    }

    [Fact]
    public void Under_an_operator_s_class_it_keeps_the_flows_apart_and_leaves_the_rest_alone()
    {
        using Site site = new(
            config => Unique(config).With("egressFlowClassifierParent", "1:10"),
            host => host.TcBatch(
                "qdisc add dev eth0 root handle 1: htb default 10",
                "class add dev eth0 parent 1: classid 1:10 htb rate 200kbit",
                "class add dev eth0 parent 1: classid 1:20 htb rate 5mbit"));
        Container first = site.Add(31000);
        Container second = site.Add(31001);
        Assert.Equal(["fq_codel 706d: 1:10", "htb 1: root"], TrafficControl.Qdiscs(site.Host, site.Master).Select(one => one.ToString()).Order(StringComparer.Ordinal));
        Assert.Equal(TrafficControl.Flows, TrafficControl.HtbClasses(site.Host, site.Master).Single(one => one.Id == "1:10").Leaf);
        AssertWaits(site, [(first.Place, FirstFlow)]);
        AssertWaits(site, [(second.Place, FirstFlow + 1)]);
        AssertWaits(site, [(site.Host, HostFlow), (first.Place, FirstFlow), (second.Place, FirstFlow + 1)]);
        site.Check(first);
        site.Delete(first);
        site.Delete(second);
        site.AssertClean();
    }

    [Fact]
    public void All_flows_are_at_one_place_until_the_last_container_with_one_has_gone()
    {
        using Site site = new(
            config => Unique(config).With("egressFlowClassifierParent", "1:10"),
            host => host.TcBatch(
                "qdisc add dev eth0 root handle 1: htb default 10",
                "class add dev eth0 parent 1: classid 1:10 htb rate 1gbit",
                "class add dev eth0 parent 1: classid 1:20 htb rate 1gbit"));
        Container first = site.Add(31000);
        NetworkConfig elsewhere = site.Plugin.Config.With("egressFlowClassifierParent", "1:20");
        Namespace other = site.Topology.AddContainerNamespace();
        PluginResult refused = site.Plugin.Add(other, "other", config: elsewhere);
        Assert.Equal(7, refused.ErrorCode);
        Assert.Contains("1:20", refused.ErrorMessage, StringComparison.Ordinal);
        Assert.Contains("1:10", refused.ErrorMessage, StringComparison.Ordinal);

        // No DEL comes for it.
        first.Place.Dispose();
        site.Plugin.Add(other, "other", config: elsewhere).Require();
        Assert.Equal(["fq_codel 706d: 1:20", "htb 1: root"], TrafficControl.Qdiscs(site.Host, site.Master).Select(one => one.ToString()).Order(StringComparer.Ordinal));
        Assert.Equal([HostFlow, CommonFlow, FirstFlow], Flows(site));
        site.Plugin.Del(other, "other", config: elsewhere).Require();
        site.AssertClean();
    }

    [Fact]
    public void Somebody_else_s_fq_codel_is_never_replaced()
    {
        using Site site = new(Unique, host => host.Tc("qdisc add dev eth0 root fq_codel limit 5000"));
        string handle = Assert.Single(TrafficControl.Qdiscs(site.Host, site.Master)).Handle;
        Namespace place = site.Topology.AddContainerNamespace();
        PluginResult refused = site.TryAdd(place, 31000);
        Assert.False(refused.Succeeded);
        string said = $"{refused.ErrorMessage}; {refused.ErrorDetails}";
        Assert.Contains("fq_codel", said, StringComparison.Ordinal);
        Assert.Contains(handle, said, StringComparison.Ordinal);
        Assert.DoesNotContain("eth0", place.Ip("-o link show"), StringComparison.Ordinal);
        site.AssertClean();
    }

    [Fact]
    public void A_class_that_does_not_exist_is_named()
    {
        using Site site = new(config => Unique(config).With("egressFlowClassifierParent", "1:10"));
        PluginResult refused = site.TryAdd(site.Topology.AddContainerNamespace(), 31000);
        Assert.False(refused.Succeeded);
        Assert.Contains("1:10", $"{refused.ErrorMessage}; {refused.ErrorDetails}", StringComparison.Ordinal);
        site.AssertClean();
    }

    /// <summary>While this runs, the flow takes at least so many packets, and no container's flow but this one takes any.</summary>
    internal static async Task AssertTakesAsync(Site site, int flow, Func<Task> traffic, long atLeast = 40)
    {
        IReadOnlyDictionary<int, long> before = TrafficControl.FlowMatches(site.Host, site.Master);
        await traffic();
        IReadOnlyDictionary<int, long> after = TrafficControl.FlowMatches(site.Host, site.Master);
        long Taken(int one) => after[one] - before[one];
        bool others = after.Keys.Any(one => one >= FirstFlow && one != flow && Taken(one) > 0);

        // The host itself is never quite silent.
        bool host = flow >= FirstFlow && Taken(HostFlow) >= atLeast;
        Assert.True(
            Taken(flow) >= atLeast && !others && !host,
            $"expected {atLeast} packets in flow {flow}, found {string.Join(", ", after.Keys.Order().Select(one => $"{Taken(one)} in {one}"))}");
    }

    /// <summary>Has each of them send more than the wire takes at once; then packets wait in their flows, and in no others for longer than a moment.</summary>
    private static void AssertWaits(Site site, (Namespace From, int Flow)[] senders)
    {
        int[] expected = [.. senders.Select(one => one.Flow).Order()];
        Wait.Until(() => TrafficControl.WaitingFlows(site.Host, site.Master).Count == 0, "an idle wire");
        List<Socket> sockets = [.. senders.Select(one => one.From.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)))];
        try
        {
            IReadOnlyList<int> seen = [];
            bool equal = Wait.For(() =>
            {
                foreach (Socket socket in sockets)
                {
                    // Nobody listens at discard's port; this is a second of the wire, and the answers are ICMP the other way.
                    for (int count = 0; count < 20; count++)
                    {
                        _ = socket.SendTo(new byte[1200], new IPEndPoint(site.Topology.OutAddress, 9));
                    }
                }

                seen = TrafficControl.WaitingFlows(site.Host, site.Master);
                return seen.SequenceEqual(expected);
            });
            Assert.True(equal, $"expected packets to wait in flows {string.Join(' ', expected)}, found them in {string.Join(' ', seen)}");
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
        }
    }

    private static int[] Flows(Site site) => [.. TrafficControl.FlowMatches(site.Host, site.Master).Keys.Order()];

    internal static NetworkConfig Unique(NetworkConfig config) => config.With("egressUniqueFlowPerContainer", true);
}
