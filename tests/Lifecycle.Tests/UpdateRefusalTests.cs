using System.Net;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>An update that cannot be carried out changes nothing: not the kernel on either side, not the record, not the list.</summary>
public sealed class UpdateRefusalTests
{
    private static readonly (string Name, string[] Arguments, int ExitCode, string[] Said)[] Requests =
    [
        ("another container's port", ["--ports", "31005-31006"], 1, ["error 101", "31005-31006", "c2", "31006"]),
        ("another's port beside a good limit", ["--ports", "31006/udp", "--ingress-rate", "2MB", "--egress-rate", "2MB"], 1, ["error 101", "31006", "c2"]),
        ("a port of the pool", ["--ports", "20000"], 1, ["error 101", "20000", "16384-24575"]),
        ("a port of its own slice", ["--ports", "16384"], 1, ["error 101", "16384"]),
        ("a port on which the host listens", ["--ports", "31007/tcp"], 1, ["error 101", "31007", "listens"]),
        ("a port outside the network", ["--ports", "31000,40000"], 1, ["error 7", "40000", "26000-32000"]),
        ("too many blocks", ["--ports", string.Join(',', Enumerable.Range(0, 1500).Select(n => 26000 + (2 * n)))], 1, ["error 7", "3000", "2000"]),
        ("a range without an end", ["--ports", "31000-"], 2, ["--ports", "\"31000-\""]),
        ("a range backwards", ["--ports", "31005-31001"], 2, ["--ports", "\"31005-31001\""]),
        ("no number", ["--ports", "31000,http"], 2, ["--ports", "\"http\""]),
        ("port 0", ["--ports", "0"], 2, ["--ports", "\"0\""]),
        ("port 65536", ["--ports", "65536"], 2, ["--ports", "\"65536\""]),
        ("another protocol", ["--ports", "31005/icmp"], 2, ["--ports", "\"31005/icmp\""]),
        ("two protocols", ["--ports", "31005/tcp/udp"], 2, ["--ports", "\"31005/tcp/udp\""]),
        ("an empty element", ["--ports", "31005,"], 2, ["--ports", "\"\""]),
        ("a rate that is none", ["--egress-rate", "fast"], 2, ["--egress-rate", "\"fast\""]),
        ("a rate with a fraction", ["--ingress-rate", "1.5MB"], 2, ["--ingress-rate", "\"1.5MB\""]),
        ("a rate below zero", ["--ingress-rate=-5"], 2, ["--ingress-rate", "-5"]),
        ("a good limit beside a bad one", ["--ingress-rate", "1MB", "--egress-rate", "1XB"], 2, ["--egress-rate", "\"1XB\""]),
        ("an option without its value", ["--ports"], 2, ["--ports"]),
        ("nothing to change", [], 2, ["nothing to change"]),
    ];

    [Fact]
    public void What_cannot_be_given_is_refused_and_named_and_nothing_changes()
    {
        using Bed bed = Limited();
        Namespace container = bed.Added("c1", 31000, 31001);
        bed.Added("c2", 31006);
        using EchoServer listener = EchoServer.Start(bed.Host, Transport.Tcp, IPAddress.Any, 31007);
        Whole before = Whole.Of(bed, container);
        foreach ((string name, string[] arguments, int exitCode, string[] said) in Requests)
        {
            CommandResult result = bed.Update("c1", arguments);
            Assert.True(result.ExitCode == exitCode, $"{name}: {result}");
            Bed.Refused(result, exitCode, said);
        }

        Bed.Refused(bed.Update("nobody", "--ports", "31005"), 1, "error 3", "nobody");
        before.AssertSame(bed, container);
        bed.Plugin.Check(container, "c1").Require();
    }

    [Fact]
    public async Task A_port_of_a_container_that_is_gone_is_reclaimed()
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31000);
        KernelState alone = Bed.Settled(bed.Host);
        SliceTests.Kill(bed, bed.Added("gone", 31005, 31006), "gone");
        bed.Update("c1", "--ports", "31000,31005").Require();
        Assert.Single(bed.Records);
        await bed.AssertReachableAsync(container, 31005);
        bed.Plugin.Check(container, "c1").Require();
        bed.Update("c1", "--ports", "31000").Require();
        Bed.Unchanged(alone, bed.Host);
        Bed.Refused(bed.Update("gone", "--ports", "31000"), 1, "error 3", "gone");
    }

    [Fact]
    public void A_container_that_is_gone_itself_is_told_to_be_deleted()
    {
        using Bed bed = new();
        SliceTests.Kill(bed, bed.Added("gone", 31005), "gone");
        Bed.Refused(bed.Update("gone", "--ports", "31000"), 1, "error 3", "gone", "DEL");
        Assert.Single(bed.Records);
    }

    [Theory]
    [InlineData("lo")]
    [InlineData("eth0")]
    public void Somebody_s_filter_at_the_handle_of_an_entry_stays_and_the_update_is_taken_back(string device)
    {
        using Bed bed = Limited();
        Namespace container = bed.Added("c1", 31000);
        PutEntry(bed, device);
        Whole before = Whole.Of(bed, container);
        Bed.Refused(
            bed.Update("c1", "--ports", "31000-31001,31010", "--ingress-rate", "3MB", "--egress-rate", "3MB"), 1, "error 107", "taken back");
        before.AssertSame(bed, container, sameOrder: false);
        bed.Plugin.Check(container, "c1").Require();

        // The next one is not hindered by what was taken back.
        bed.Update("c1", "--ports", "31000-31001").Require();
        bed.Plugin.Check(container, "c1").Require();
    }

    [Theory]
    [InlineData("lo")]
    [InlineData("eth0")]
    public async Task An_entry_that_leads_to_a_device_that_is_gone_is_cleared_away(string device)
    {
        using Bed bed = new();
        bed.Added("n", 31500);
        KernelState alone = Bed.Settled(bed.Host);
        Namespace container = bed.Added("c1", 31000);
        PutEntry(bed, device);
        bed.Host.Ip("link del hole0");
        bed.Update("c1", "--ports", "31000-31001,31010").Require();
        bed.Plugin.Check(container, "c1").Require();
        await bed.AssertReachableAsync(container, 31010);
        bed.Plugin.Del(container, "c1").Require();
        Bed.Unchanged(alone, bed.Host);
    }

    [Theory]
    [InlineData("tbf rate 1mbit burst 10k latency 50ms")]
    [InlineData("handle 1: tbf rate 1mbit burst 10k latency 50ms")]
    [InlineData("handle 1: htb default 5")]
    public void Somebody_s_qdisc_at_the_root_of_the_host_end_stays_and_the_update_is_taken_back(string qdisc)
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31000);
        bed.Host.Tc($"qdisc add dev {bed.HostInterface("c1")} root {qdisc}");
        Whole before = Whole.Of(bed, container);
        Bed.Refused(bed.Update("c1", "--ports", "31000-31001,31010", "--ingress-rate", "1MB"), 1, "error 107", "taken back");
        before.AssertSame(bed, container, sameOrder: false);
        bed.Update("c1", "--ingress-rate", "none", "--ports", "31000").Require();
        bed.Plugin.Check(container, "c1").Require();
        before.AssertSameKernel(bed, container, sameOrder: false);
    }

    [Fact]
    public void A_container_without_its_loopback_s_hook_keeps_the_ports_that_it_has()
    {
        using Bed bed = Limited();
        Namespace container = bed.Added("c1", 31000);
        container.Tc("qdisc del dev lo clsact");
        Whole before = Whole.Of(bed, container);
        Bed.Refused(bed.Update("c1", "--ports", "31000-31001", "--ingress-rate", "3MB"), 1, "error 107", "taken back");
        before.AssertSame(bed, container, sameOrder: false);
        bed.Update("c1", "--ingress-rate", "3MB").Require();
        bed.Plugin.Del(container, "c1").Require();
        bed.AssertClean();
    }

    private static Bed Limited() => new(config => (config with { Ports = "26000-32000" })
        .With("egressRateLimitPerContainer", "1MB").With("ingressRateLimitPerContainer", "1MB"));

    /// <summary>A node of somebody's own where tcp/31010 (7922 in hex) has its entry.</summary>
    private static void PutEntry(Bed bed, string device)
    {
        bed.Host.IpBatch("link add hole0 type veth peer name hole1", "link set hole0 up", "link set hole1 up");
        bed.Host.Tc(
            $"filter add dev {device} ingress protocol ip prio 28782 handle 611:79:23 u32 ht 611:79: match u32 0x4000 0xffff at 0 action mirred egress redirect dev hole0");
    }

    /// <summary>All that an update might change.</summary>
    private sealed record Whole(KernelState Host, KernelState Inside, string Record, string List)
    {
        public static Whole Of(Bed bed, Namespace container) => new(
            Bed.Settled(bed.Host), Bed.Settled(container), File.ReadAllText(bed.RecordPath("c1")), bed.Plugin.CommandLine("list", "--json").Require());

        public void AssertSame(Bed bed, Namespace container, bool sameOrder = true)
        {
            AssertSameKernel(bed, container, sameOrder);
            Assert.Equal(Identity(Record), Identity(File.ReadAllText(bed.RecordPath("c1"))));
            Assert.Equal(List, bed.Plugin.CommandLine("list", "--json").Require());
        }

        public void AssertSameKernel(Bed bed, Namespace container, bool sameOrder)
        {
            foreach ((KernelState state, Namespace place) in new[] { (Host, bed.Host), (Inside, container) })
            {
                KernelState now = Bed.Settled(place);
                Assert.Equal(Lines(state, sameOrder), Lines(now, sameOrder));
            }
        }

        private static string[] Lines(KernelState state, bool sameOrder) =>
            sameOrder ? state.Text.Split('\n') : [.. state.Text.Split('\n').Order(StringComparer.Ordinal)];

        /// <summary>An update that got as far as the kernel has left its process id, which means nothing once it has ended.</summary>
        private static string Identity(string record) =>
            string.Join('\n', record.Split('\n').Where(line => line.Trim().Split(':')[0] is not ("\"pid\"" or "\"startTime\"")));
    }
}
