using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace CniIsolator.FullKernel.Tests;

/// <summary>What the plugin says and does on kernels that lack something.</summary>
public sealed class MissingFeatureTests
{
    private const string Veth = "veth (CONFIG_VETH, kernel 2.6.24)";
    private const string Clsact = "clsact (CONFIG_NET_SCH_INGRESS, kernel 4.5)";
    private const string U32 = "u32 (CONFIG_NET_CLS_U32, kernel 2.6)";
    private const string Mirred = "mirred (CONFIG_NET_ACT_MIRRED, kernel 2.6.18)";
    private const string Htb = "htb (CONFIG_NET_SCH_HTB, kernel 2.4.20)";
    private const string FqCodel = "fq_codel (CONFIG_NET_SCH_FQ_CODEL, kernel 3.5)";
    private const int Port = 31000;

    [Theory]
    [InlineData("sch_ingress", Clsact)]
    [InlineData("cls_u32", U32)]
    [InlineData("act_mirred", Mirred)]
    [InlineData("sch_htb", Htb)]
    [InlineData("sch_fq_codel", FqCodel)]
    [InlineData("cls_u32 sch_htb sch_fq_codel", U32, Htb, FqCodel)]
    public void An_ADD_that_needs_what_is_missing_fails_names_it_and_leaves_nothing_behind(string modules, params string[] missing)
    {
        using Site site = new(config => Limited(config).With("egressUniqueFlowPerContainer", true));
        Namespace place = NewContainer(site);
        using (KernelModules.Without(modules.Split(' ')))
        {
            AssertNamed(site, place, missing);
            site.AssertClean();
        }

        // Nothing is left in the way of the same container either.
        Container container = site.Add(Port, place);
        site.Check(container);
        site.Delete(container);
        site.AssertClean();
    }

    [Fact]
    public void Veth_is_named_by_itself()
    {
        // The wire of the test's own network is a veth, and goes with the module.
        using Site site = new(config => Limited(config).With("egressUniqueFlowPerContainer", true) with { Master = "plain0" }, host => host.IpBatch(
            "link add plain0 type dummy",
            "address add 192.0.2.2/24 dev plain0",
            "link set plain0 up"));
        Namespace place = NewContainer(site);
        using (KernelModules.Without("veth"))
        {
            KernelState before = KernelState.Snapshot(site.Host);
            AssertNamed(site, place, Veth);
            Assert.Equal("", before.Diff(KernelState.Snapshot(site.Host)));
        }
    }

    [Fact]
    public async Task A_container_without_limits_needs_neither_htb_nor_fq_codel()
    {
        using Site site = new();
        using (KernelModules.Without("sch_htb", "sch_fq_codel"))
        {
            site.Plugin.Status().Require();
            Container container = site.Add(Port);
            site.Check(container);
            await site.AssertReachableAsync(container, Transport.Udp);

            // A limit later on does; the refusal takes nothing away.
            CommandResult update = site.Plugin.CommandLine("update", container.Id, "--egress-rate", "100000", "--ports", "31010");
            Assert.Equal(1, update.ExitCode);
            Assert.Contains($"error 104: the kernel lacks {Htb}", update.Error, StringComparison.Ordinal);
            site.Check(container);
            site.Delete(container);
            site.AssertClean();
        }
    }

    [Fact]
    public async Task Without_fq_codel_a_limit_has_a_plain_queue_and_everybody_is_told()
    {
        using Site site = new(Limited);
        using (KernelModules.Without("sch_fq_codel"))
        {
            site.Plugin.Status().Require();
            Container container = site.Add(Port);
            foreach ((Namespace place, string device) in new[] { (container.Place, Site.ContainerEnd), (site.Host, container.HostEnd) })
            {
                Assert.Equal("htb 1: root", Assert.Single(TrafficControl.Qdiscs(place, device)).ToString());
                Assert.Equal("", Assert.Single(TrafficControl.HtbClasses(place, device)).Leaf);
            }

            site.Check(container);
            await site.AssertReachesOutAsync(container.Place, Transport.Tcp, ProbeOptions.Small with { StreamBytes = 50_000 });
            string warning = Assert.Single(site.Log.Split('\n'), line => line.Contains(" WRN ", StringComparison.Ordinal));
            Assert.Contains($"the kernel lacks {FqCodel}", warning, StringComparison.Ordinal);
            Assert.Contains(container.Id, warning, StringComparison.Ordinal);
            Assert.Contains(FqCodel, site.Plugin.CommandLine("list").Require(), StringComparison.Ordinal);
            JsonArray warnings = JsonNode.Parse(site.Plugin.CommandLine("list", "--json").Require())![0]!["warnings"]!.AsArray();
            Assert.Contains(FqCodel, (string)Assert.Single(warnings)!, StringComparison.Ordinal);

            // Another limit is no other matter.
            Assert.Contains(FqCodel, site.Plugin.CommandLine("update", container.Id, "--egress-rate", "100000").Require(), StringComparison.Ordinal);
            site.Check(container);
            site.Delete(container);
            site.AssertClean();
        }
    }

    [Fact]
    public async Task Without_cls_bpf_the_host_s_stack_drops_what_a_container_must_not_send()
    {
        using Site site = new();
        using (KernelModules.Without("cls_bpf"))
        {
            site.Plugin.Status().Require();
            Container container = site.Add(Port);
            Assert.DoesNotContain("bpf", site.Host.Tc($"filter show dev {container.HostEnd} ingress"), StringComparison.Ordinal);
            Assert.Null(site.Record(container)["features"]?["dropsUnmatched"]);
            site.Check(container);
            await site.AssertReachableAsync(container, Transport.Tcp);
            await site.AssertReachesOutAsync(container.Place, Transport.Udp);
            AssertOnlyOwnPortsLeave(site, container);
            site.Delete(container);
            site.AssertClean();
        }

        Container dropping = site.Add(Port);
        Assert.Contains("bpf", site.Host.Tc($"filter show dev {dropping.HostEnd} ingress"), StringComparison.Ordinal);
        Assert.True((bool)site.Record(dropping)["features"]!["dropsUnmatched"]!);
        AssertOnlyOwnPortsLeave(site, dropping);
    }

    private static NetworkConfig Limited(NetworkConfig config) =>
        config.With("egressRateLimitPerContainer", 1_000_000).With("ingressRateLimitPerContainer", 500_000);

    /// <summary>A container whose loopback has a MAC that can be put back, and its queue for ever.</summary>
    private static Namespace NewContainer(Site site)
    {
        Namespace made = site.Topology.AddContainerNamespace();
        made.IpBatch("link set lo address 02:00:00:00:00:0c", "link set lo up", "link set lo down");
        return made;
    }

    /// <summary>ADD and STATUS fail for these reasons and no others.</summary>
    private static void AssertNamed(Site site, Namespace place, params string[] missing)
    {
        KernelState inside = KernelState.Snapshot(place);
        string said = $"the kernel lacks {string.Join(", ", missing)}";
        PluginResult refused = site.TryAdd(place, Port);
        Assert.Equal((104, said), (refused.ErrorCode, refused.ErrorMessage));
        Assert.DoesNotContain("incomplete", refused.ErrorDetails, StringComparison.Ordinal);
        Assert.Equal("", inside.Diff(KernelState.Snapshot(place)));
        PluginResult status = site.Plugin.Status();
        Assert.Equal((50, said), (status.ErrorCode, status.ErrorMessage));
    }

    private static void AssertOnlyOwnPortsLeave(Site site, Container container)
    {
        using Socket outside = site.Out.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        outside.Bind(new IPEndPoint(site.Topology.OutAddress, 0));
        outside.ReceiveTimeout = (int)Wait.Patience.TotalMilliseconds;
        foreach (int port in new[] { 20_000, Port + 1, Port })
        {
            using Socket inside = container.Place.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
            inside.Bind(new IPEndPoint(IPAddress.Any, port));
            _ = inside.SendTo([1], outside.LocalEndPoint!);
        }

        // Packets of one device arrive in the order in which they were sent: the first that comes is the last one.
        EndPoint sender = new IPEndPoint(IPAddress.Any, 0);
        _ = outside.ReceiveFrom(new byte[8], ref sender);
        Assert.Equal(new IPEndPoint(site.Topology.HostAddress, Port), sender);
    }
}
