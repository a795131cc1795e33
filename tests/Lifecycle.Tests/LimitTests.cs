using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>From keys, capability and arguments to the qdiscs of the kernel, and away again.</summary>
public sealed class LimitTests
{
    private const string FairQueue = "fq_codel";

    private static readonly Lazy<bool> FairQueueProbe = new(() =>
    {
        using Namespace probe = Namespace.Create("probe");
        return probe.Execute("tc", "qdisc", "add", "dev", "lo", "root", FairQueue).ExitCode == 0;
    });

    private const string Cpus = """
        "args":{"org.apache.mesos":{"network_info":{"name":"testnet","labels":{"labels":[{"key":"cpus","value":"2.999"}]}}}}
        """;

    /// <summary>Whether this kernel has fq_codel.</summary>
    internal static bool HasFairQueue => FairQueueProbe.Value;

    /// <summary>
    /// The keys are those of egress; the other direction is the same rules with the other keys. What is expected is rate, ceil and
    /// burst in bytes, and the burst at the ceil.
    /// </summary>
    [Theory]
    [InlineData("\"egressRateLimitPerContainer\":1000000", "", 1_000_000, 1_000_000, 10_000, 10_000)]
    [InlineData("\"egressRateLimitPerContainer\":\"37500KB\"", "", 38_400_000, 38_400_000, 384_000, 384_000)]
    [InlineData("\"EgressRateLimitPerContainer\":1000000,\"EgressCeilLimit\":4000000,\"EgressBurst\":50000", "", 1_000_000, 4_000_000, 50_000, 40_000)]
    [InlineData("\"egressRateLimitPerContainer\":1000000,\"egressCeilLimit\":4000000", "", 1_000_000, 4_000_000, 10_000, 10_000)]
    [InlineData("\"egressRateLimitPerContainer\":1000000,\"egressBurst\":\"64KB\"", "", 1_000_000, 1_000_000, 65_536, 65_536)]
    [InlineData("\"egressRateLimitPerContainer\":1", "", 125_000, 125_000, 3_028, 3_028)]
    [InlineData("\"egressRateLimitPerContainer\":1,\"minimumEgressRateLimit\":1000", "", 1_000, 1_000, 3_028, 3_028)]
    [InlineData("\"egressRateLimitPerContainer\":9000000,\"maximumEgressRateLimit\":2000000", "", 2_000_000, 2_000_000, 20_000, 20_000)]
    [InlineData("\"egressRateLimitPerContainer\":12500000000", "", 12_500_000_000, 12_500_000_000, 125_000_000, 125_000_000)]
    [InlineData("\"egressRateLimitPerContainer\":125000000000", "", 125_000_000_000, 125_000_000_000, 1_250_000_000, 1_250_000_000)]
    [InlineData("\"egressRateLimitPerContainer\":9000000,\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":16000000}}", "", 2_000_000, 2_000_000, 20_000, 20_000)]
    [InlineData("\"egressRatePerCpu\":\"auto\",\"RuntimeConfig\":{\"Bandwidth\":{\"EgressRate\":8000000,\"EgressBurst\":400000}}", "", 1_000_000, 1_000_000, 50_000, 50_000)]
    [InlineData("\"minimumEgressRateLimit\":3000000,\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":8000000}}", "", 3_000_000, 3_000_000, 30_000, 30_000)]
    [InlineData("\"maximumEgressRateLimit\":2000000,\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":80000000}}", "", 2_000_000, 2_000_000, 20_000, 20_000)]
    [InlineData("\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":8000000,\"egressBurst\":2147483647}}", "", 1_000_000, 1_000_000, 10_000, 10_000)]
    [InlineData("\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":8000000,\"egressBurst\":4294967295}}", "", 1_000_000, 1_000_000, 10_000, 10_000)]
    [InlineData("\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":8000000,\"egressBurst\":34359738359}}", "", 1_000_000, 1_000_000, 10_000, 10_000)]
    [InlineData("\"egressRatePerCpu\":1000000", "CPUS=2.999", 2_000_000, 2_000_000, 20_000, 20_000)]
    [InlineData("\"egressRatePerCpu\":1000000", "CPUS=0.5", 125_000, 125_000, 3_028, 3_028)]
    [InlineData("\"egressRatePerCpu\":1000000," + Cpus, "", 2_000_000, 2_000_000, 20_000, 20_000)]
    [InlineData("\"egressRatePerCpu\":1000000,\"egressRateLimitPerContainer\":null", "CPUS=3", 3_000_000, 3_000_000, 30_000, 30_000)]
    public void A_limit_is_in_the_kernel_as_asked_for_and_on_one_device_alone(
        string egressKeys, string arguments, long rate, long ceil, long burst, long ceilBurst)
    {
        using Bed bed = new();
        string ingressKeys = Mirror(egressKeys);
        Namespace sender = Added(bed, "out", egressKeys, arguments);
        Namespace receiver = Added(bed, "in", ingressKeys, arguments);
        AssertLimit(sender, "eth0", rate, ceil, burst, ceilBurst);
        AssertLimit(bed.Host, bed.HostInterface("in"), rate, ceil, burst, ceilBurst);
        AssertUnlimited(receiver, "eth0");
        AssertUnlimited(bed.Host, bed.HostInterface("out"));
        AssertUnlimited(bed.Host, "eth0");
        string listed = $$"""{"rate":{{rate}},"ceil":{{ceil}},"burst":{{burst}}}""";
        Assert.Equal((listed, "null"), Listed(bed, "out"));
        Assert.Equal(("null", listed), Listed(bed, "in"));
        bed.Plugin.Check(sender, "out", arguments: arguments, config: With(bed.Config, egressKeys)).Require();
        bed.Plugin.Check(receiver, "in", arguments: arguments, config: With(bed.Config, ingressKeys)).Require();
        bed.Plugin.Del(sender, "out").Require();
        bed.Plugin.Del(receiver, "in").Require();
        AssertNoShaper(sender);
        bed.AssertClean();
    }

    [Fact]
    public void Each_direction_has_its_own_numbers()
    {
        using Bed bed = new();
        Namespace container = Added(bed, "c1", "\"egressRateLimitPerContainer\":1000000,\"ingressRateLimitPerContainer\":5000000,\"ingressBurst\":90000");
        AssertLimit(container, "eth0", 1_000_000, 1_000_000, 10_000, 10_000);
        AssertLimit(bed.Host, bed.HostInterface("c1"), 5_000_000, 5_000_000, 90_000, 90_000);
    }

    [Fact]
    public void A_larger_MTU_makes_larger_frames_of_the_class_and_its_burst()
    {
        using Bed bed = new(options: new TopologyOptions { Mtu = 9000 });
        Namespace container = Added(bed, "c1", "\"egressRateLimitPerContainer\":1");
        AssertLimit(container, "eth0", 125_000, 125_000, 18_028, 18_028, frame: 9014);
        bed.Plugin.Check(container, "c1").Require();
    }

    [Theory]
    [InlineData("")]
    [InlineData("\"egressRateLimitPerContainer\":0,\"ingressRateLimitPerContainer\":\"0KB\"")]
    [InlineData("\"egressRatePerCpu\":0,\"ingressRatePerCpu\":0")]
    [InlineData("\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":0,\"egressBurst\":0,\"ingressRate\":0,\"ingressBurst\":4294967295}}")]
    [InlineData("\"minimumEgressRateLimit\":1000000,\"maximumIngressRateLimit\":1000000,\"egressCeilLimit\":7,\"ingressBurst\":9000")]
    public void Without_a_limit_there_is_no_htb_and_nothing_to_warn_of(string keys)
    {
        using Bed bed = new();
        Namespace container = Added(bed, "c1", keys);
        AssertUnlimited(container, "eth0");
        AssertUnlimited(bed.Host, bed.HostInterface("c1"));
        Assert.Equal(("null", "null"), Listed(bed, "c1"));
        Assert.Empty(Warnings(bed));
    }

    [Fact]
    public void A_kernel_without_fq_codel_is_told_of_once_where_there_is_a_limit()
    {
        using Bed bed = new();
        Namespace container = Added(bed, "c1", "\"egressRateLimitPerContainer\":1000000,\"ingressRateLimitPerContainer\":1000000");
        bool missing = !HasFairQueue;
        Assert.Equal(missing ? 1 : 0, Warnings(bed).Count(line => line.Contains(FairQueue, StringComparison.Ordinal)));
        Assert.Equal(missing, (bool?)bed.Record("c1")["features"]?["plainQueue"] ?? false);
        Assert.Equal(!missing, container.Tc("qdisc show dev eth0").Contains("fq_codel 2: parent 1:1", StringComparison.Ordinal));
        bed.Plugin.Status(With(bed.Config, "\"egressRateLimitPerContainer\":1000000")).Require();
        bed.Plugin.Check(container, "c1").Require();
        bed.Plugin.Del(container, "c1").Require();
        Assert.Equal(missing ? 1 : 0, Warnings(bed).Length);
    }

    [Theory]
    [InlineData("egress")]
    [InlineData("ingress")]
    public void Unknown_CPUs_get_the_minimum_and_a_warning(string direction)
    {
        using Bed bed = new();
        string keys = $"\"{direction}RatePerCpu\":1000000";
        Namespace container = Added(bed, "c1", keys);
        (Namespace place, string device) = direction == "egress" ? (container, "eth0") : (bed.Host, bed.HostInterface("c1"));
        AssertLimit(place, device, 125_000, 125_000, 3_028, 3_028);
        Bed.Says(Assert.Single(Warnings(bed), line => line.Contains("CPU", StringComparison.Ordinal)), $"{direction}RatePerCpu", "1000000", "CPUS", "cpus");
        Bed.Fails(bed.Plugin.Add(bed.Container(), "c2", arguments: "CPUS=many", config: With(bed.Config, keys)), 7, "CPUS", "many");
    }

    [Fact]
    public void Auto_is_a_share_of_the_link_by_the_key_or_else_by_the_interface()
    {
        using Bed bed = new();
        int processors = File.ReadLines("/proc/stat").Count(line => Regex.IsMatch(line, "^cpu[0-9]"));

        // A veth says of itself that it has 10 Gbit/s.
        foreach ((string id, string keys, long speed) in new[]
                 {
                     ("key", "\"egressRatePerCpu\":\"auto\",\"ingressRatePerCpu\":\"auto\",\"linkSpeed\":480000000", 480_000_000),
                     ("interface", "\"egressRatePerCpu\":\"auto\",\"ingressRatePerCpu\":\"auto\"", 1_250_000_000),
                 })
        {
            long rate = speed / processors;
            Namespace container = Added(bed, id, keys, "CPUS=1.5");
            Assert.Equal(rate, (long)bed.Record(id)["limits"]!["egress"]!["rate"]!);
            Assert.InRange(HtbState.Read(container, "eth0").Class.Rate, rate - 125_000, rate);
            Assert.InRange(HtbState.Read(bed.Host, bed.HostInterface(id)).Class.Rate, rate - 125_000, rate);
        }
    }

    [Theory]
    [InlineData("\"egressRateLimitPerContainer\":2000,\"linkSpeed\":1000,\"minimumEgressRateLimit\":1", "egressRateLimitPerContainer", "2000", "1000")]
    [InlineData("\"ingressRateLimitPerContainer\":1250000001", "ingressRateLimitPerContainer", "1250000001", "1250000000")]
    [InlineData("\"runtimeConfig\":{\"bandwidth\":{\"ingressRate\":80000000000}}", "runtimeConfig.bandwidth.ingressRate", "10000000000", "1250000000")]
    public void A_rate_above_the_link_s_is_warned_of_and_made(string keys, params string[] said)
    {
        using Bed bed = new();
        Added(bed, "c1", keys);
        Bed.Says(Assert.Single(Warnings(bed), line => line.Contains("above", StringComparison.Ordinal)), said);
        (string egress, string ingress) = Listed(bed, "c1");
        Assert.Contains($"\"rate\":{said[1]},", egress + ingress, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"egressRateLimitPerContainer\":1000000,\"egressRatePerCpu\":2000000", "egressRateLimitPerContainer", "1000000", "egressRatePerCpu", "2000000")]
    [InlineData("\"ingressRateLimitPerContainer\":1000000,\"ingressRatePerCpu\":\"auto\"", "ingressRateLimitPerContainer", "ingressRatePerCpu", "auto")]
    [InlineData("\"egressRateLimitPerContainer\":\"10Mbit\"", "egressRateLimitPerContainer", "10Mbit")]
    [InlineData("\"egressRateLimitPerContainer\":\"1.5MB\"", "egressRateLimitPerContainer", "1.5MB")]
    [InlineData("\"ingressRatePerCpu\":\"automatic\"", "ingressRatePerCpu", "automatic")]
    [InlineData("\"ingressRateLimitPerContainer\":-1", "ingressRateLimitPerContainer", "-1")]
    [InlineData("\"egressBurst\":\"1 KiB\"", "egressBurst", "1 KiB")]
    [InlineData("\"minimumIngressRateLimit\":2000,\"maximumIngressRateLimit\":1000", "minimumIngressRateLimit", "2000", "maximumIngressRateLimit", "1000")]
    [InlineData("\"runtimeConfig\":{\"bandwidth\":{\"egressBurst\":8000}}", "bandwidth.egressBurst", "8000")]
    [InlineData("\"linkSpeed\":\"fast\"", "linkSpeed", "fast")]
    public void What_cannot_be_understood_is_refused_with_key_and_value(string keys, params string[] said)
    {
        using Bed bed = new();
        Namespace container = bed.Container();
        KernelState inside = Bed.Settled(container);
        NetworkConfig config = With(bed.Config, keys);
        Bed.Fails(bed.Plugin.Add(container, "c1", config: config), 7, said);
        Bed.Fails(bed.Plugin.Status(config), 7, said);
        Bed.Unchanged(inside, container);
        bed.AssertClean();
    }

    [Fact]
    public void A_namespace_that_lives_on_loses_its_limit_and_may_get_another()
    {
        using Bed bed = new();
        Namespace container = bed.Container();
        KernelState inside = Bed.Settled(container);
        foreach (int rate in new[] { 1_000_000, 2_000_000 })
        {
            NetworkConfig config = With(bed.Config, $"\"egressRateLimitPerContainer\":{rate},\"ingressRateLimitPerContainer\":{rate}");
            bed.Plugin.Add(container, "c1", config: config).Require();
            AssertLimit(container, "eth0", rate, rate, rate / 100, rate / 100);
            AssertLimit(bed.Host, bed.HostInterface("c1"), rate, rate, rate / 100, rate / 100);
            bed.Plugin.Del(container, "c1", config: config).Require();
            AssertNoShaper(container);
            bed.AssertClean();
        }

        // All but the loopback, which stays up, and the sysctls of a namespace that had its address.
        Assert.Equal(Qdiscs(inside), Qdiscs(Bed.Settled(container)));
    }

    [Fact]
    public void An_ADD_that_fails_on_the_host_takes_the_container_s_limit_back()
    {
        using Bed bed = new();
        bed.Host.TcBatch(
            "qdisc add dev lo clsact", "filter add dev lo ingress protocol ip prio 28782 bpf bytecode '1,6 0 0 0,' action mirred egress mirror dev eth0");
        KernelState host = Bed.Settled(bed.Host);
        Namespace container = bed.Container();
        KernelState inside = Bed.Settled(container);
        NetworkConfig config = With(bed.Config, "\"egressRateLimitPerContainer\":1000000,\"ingressRateLimitPerContainer\":1000000");
        Bed.Fails(bed.Plugin.Add(container, "c1", config: config), 107, "rolled back");
        Bed.Unchanged(host, bed.Host);
        Bed.Unchanged(inside, container);
        Assert.Empty(bed.Records);
        bed.Host.Tc("qdisc del dev lo clsact");
        bed.Plugin.Add(container, "c1", config: config).Require();
        AssertLimit(container, "eth0", 1_000_000, 1_000_000, 10_000, 10_000);
        bed.Plugin.Check(container, "c1", config: config).Require();
    }

    [Fact]
    public void An_ADD_that_has_to_build_the_host_s_side_twice_limits_it_once()
    {
        using Bed bed = new();
        Namespace first = bed.Added("c1");
        bed.Host.Tc("qdisc del dev eth0 clsact");
        Namespace second = Added(bed, "c2", "\"egressRateLimitPerContainer\":1000000,\"ingressRateLimitPerContainer\":1000000");
        AssertLimit(second, "eth0", 1_000_000, 1_000_000, 10_000, 10_000);
        AssertLimit(bed.Host, bed.HostInterface("c2"), 1_000_000, 1_000_000, 10_000, 10_000);
        bed.Plugin.Check(second, "c2").Require();
        bed.Plugin.Del(second, "c2").Require();
        bed.Plugin.Del(first, "c1").Require();
        bed.AssertClean();
    }

    [Fact]
    public void A_record_that_was_lost_is_rebuilt_with_the_limit_that_the_host_knows()
    {
        using Bed bed = new();
        Namespace container = Added(
            bed, "c1", "\"egressRateLimitPerContainer\":3000000,\"ingressRateLimitPerContainer\":1000000,\"ingressCeilLimit\":2000000");
        File.WriteAllText(bed.RecordPath("c1"), "{");
        Namespace next = bed.Added("c2");

        // The other one stands in the container, of which nobody knows any more where it is.
        Assert.Equal(("null", """{"rate":1000000,"ceil":2000000,"burst":10000}"""), Listed(bed, "c1"));
        AssertLimit(container, "eth0", 3_000_000, 3_000_000, 30_000, 30_000);
        bed.Plugin.Del(container, "c1").Require();
        AssertNoShaper(container);
        bed.Plugin.Del(next, "c2").Require();
        bed.AssertClean();
    }

    internal static NetworkConfig With(NetworkConfig config, string keys) =>
        JsonNode.Parse("{" + keys + "}")!.AsObject().Where(one => one.Value is not null).Aggregate(config, (all, one) => all.With(one.Key, one.Value));

    private static Namespace Added(Bed bed, string id, string keys, string arguments = "")
    {
        Namespace container = bed.Container();
        bed.Plugin.Add(container, id, arguments: arguments, config: With(bed.Config, keys)).Require();
        return container;
    }

    private static string Mirror(string keys) => Regex.Replace(keys, "egress", match => match.Value[0] == 'e' ? "ingress" : "Ingress", RegexOptions.IgnoreCase);

    private static void AssertLimit(Namespace place, string device, long rate, long ceil, long burst, long ceilBurst, int frame = 1514)
    {
        HtbState found = HtbState.Read(place, device);
        Assert.Matches("^qdisc htb 1: root .*default 0x1 .*direct_qlen 0$", found.Qdisc);
        Assert.Equal(("1:1", rate, ceil), (found.Class.Handle, found.Class.Rate, found.Class.Ceil));
        Assert.InRange(found.Class.Burst, burst - Rounding(rate, burst), burst + Rounding(rate, burst));
        Assert.InRange(found.Class.CeilBurst, ceilBurst - Rounding(ceil, ceilBurst), ceilBurst + Rounding(ceil, ceilBurst));

        // One that the kernel works out from the rate makes it warn of being too small or too big.
        Assert.Equal(frame, found.Class.Quantum);
    }

    /// <summary>The kernel counts a burst in times of 64 ns; tc prints whole KB and MB where they are near.</summary>
    private static long Rounding(long rate, long burst) => (rate * 64 / 1_000_000_000) + (burst >= 1 << 20 ? 1024 : 16);

    private static void AssertUnlimited(Namespace place, string device) => Assert.Null(HtbState.Read(place, device).Qdisc);

    private static void AssertNoShaper(Namespace place) => Assert.DoesNotContain("htb", place.Tc("qdisc show"), StringComparison.Ordinal);

    private static string Qdiscs(KernelState state) => string.Join('\n', state.Text.Split('\n').Where(line => line.StartsWith("qdisc ", StringComparison.Ordinal)));

    private static string[] Warnings(Bed bed) =>
        File.Exists(bed.Config.LogFile) ? [.. File.ReadLines(bed.Config.LogFile).Where(line => line.Contains("WRN", StringComparison.Ordinal))] : [];

    /// <summary>What the operator's list says of both directions, without white space.</summary>
    private static (string Egress, string Ingress) Listed(Bed bed, string id)
    {
        using JsonDocument list = JsonDocument.Parse(bed.Plugin.CommandLine("list", "--json").Require());
        JsonElement one = list.RootElement.EnumerateArray().Single(one => one.GetProperty("containerId").GetString() == id);
        return (Packed("egress"), Packed("ingress"));

        string Packed(string name) => JsonSerializer.Serialize(one.GetProperty(name));
    }
}
