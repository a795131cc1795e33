using System.Text.Json.Nodes;
using CniIsolator.Testbed;

namespace CniIsolator.Lifecycle.Tests;

/// <summary>Other limits for a container that runs: in one direction or both, beside its ports, whatever its root has done to them.</summary>
public sealed class UpdateLimitTests
{
    [Fact]
    public void A_limit_comes_changes_and_goes_in_either_direction_and_the_ports_stay()
    {
        using Bed bed = new();
        Namespace container = bed.Added("c1", 31000);
        string veth = bed.HostInterface("c1");
        KernelState host = Bed.Settled(bed.Host);
        KernelState inside = Bed.Settled(container);
        foreach ((string[] arguments, long egress, long ingress) in new (string[], long, long)[]
                 {
                     (["--egress-rate", "1MB"], 1 << 20, 0),
                     (["--ingress-rate", "300000"], 1 << 20, 300_000),
                     (["--egress-rate", "2MB", "--ingress-rate", "2000KB"], 2 << 20, 2_048_000),
                     (["--egress-rate", "0"], 0, 2_048_000),
                     (["--egress-rate", "none"], 0, 2_048_000),
                     (["--egress-rate", "500KB", "--ingress-rate", "NONE"], 512_000, 0),
                     (["--ingress-rate", "1GB"], 512_000, 1 << 30),
                     (["--ingress-rate", "0", "--egress-rate", "none"], 0, 0),
                 })
        {
            bed.Update("c1", arguments).Require();
            foreach (JsonObject said in new[] { bed.Listed("c1"), bed.Record("c1") })
            {
                Assert.Equal((egress, ingress), (Rate(said, "egress"), Rate(said, "ingress")));
                Assert.Equal("31000/tcp 31000/udp", Bed.Ports(said));
            }

            Assert.Equal(ingress != 0, bed.Host.Tc($"qdisc show dev {veth}").Contains("qdisc htb 1: root", StringComparison.Ordinal));
            Assert.Equal(egress != 0, container.Tc("qdisc show dev eth0").Contains("qdisc htb 1: root", StringComparison.Ordinal));
            PluginResult check = bed.Plugin.Check(container, "c1");
            Assert.True(check.Succeeded, $"{string.Join(' ', arguments)}: {check}");
        }

        Bed.Unchanged(host, bed.Host);
        Bed.Unchanged(inside, container);
        bed.Update("c1", "--egress-rate", "1MB", "--ingress-rate", "1MB", "--ports", "31001").Require();
        bed.Plugin.Check(container, "c1").Require();
        bed.Plugin.Del(container, "c1").Require();
        bed.AssertClean();
    }

    [Fact]
    public async Task Another_rate_keeps_the_class_with_its_counters_and_the_ceil()
    {
        using Bed bed = new(config => config
            .With("egressRateLimitPerContainer", "1MB").With("egressCeilLimit", "4MB")
            .With("ingressRateLimitPerContainer", "1MB").With("ingressCeilLimit", "4MB"));
        Namespace container = bed.Added("c1", 31000);
        string veth = bed.HostInterface("c1");
        await bed.AssertReachableAsync(container, 31000);
        (long out1, long in1) = (SentBytes(container, "eth0"), SentBytes(bed.Host, veth));
        Assert.True(out1 > 0 && in1 > 0, $"{out1} {in1}");
        foreach ((string rate, long wanted, long ceil) in new[] { ("2MB", 2L << 20, 4L << 20), ("512KB", 512L << 10, 4L << 20), ("8MB", 8L << 20, 8L << 20) })
        {
            bed.Update("c1", "--egress-rate", rate, "--ingress-rate", rate).Require();
            foreach (string direction in new[] { "egress", "ingress" })
            {
                JsonNode limit = bed.Record("c1")["limits"]![direction]!;
                Assert.Equal((wanted, ceil), ((long)limit["rate"]!, (long)limit["ceil"]!));
            }

            bed.Plugin.Check(container, "c1").Require();
            Assert.True(SentBytes(container, "eth0") >= out1, "the class on the container's end began anew");
            Assert.True(SentBytes(bed.Host, veth) >= in1, "the class on the host's end began anew");
        }

        await bed.AssertReachableAsync(container, 31000);
        Assert.True(SentBytes(container, "eth0") > out1 && SentBytes(bed.Host, veth) > in1);
    }

    [Theory]
    [InlineData("", "2MB")]
    [InlineData("", "1MB")]
    [InlineData("tbf rate 1gbit burst 1m latency 50ms", "2MB")]
    [InlineData("handle 1: tbf rate 1gbit burst 1m latency 50ms", "2MB")]
    [InlineData("handle 1: htb default 7", "1MB")]
    [InlineData("handle 5: pfifo", "1MB")]
    public void A_limit_that_the_container_s_root_took_off_is_put_back(string instead, string rate)
    {
        using Bed bed = new(config => config.With("egressRateLimitPerContainer", "1MB"));
        Namespace container = bed.Added("c1", 31000);
        container.Tc("qdisc del dev eth0 root");
        if (instead.Length > 0)
        {
            container.Tc($"qdisc add dev eth0 root {instead}");
        }

        Bed.Fails(bed.Plugin.Check(container, "c1"), 106, "limit of eth0");
        Assert.Contains("limit of eth0", bed.Listed("c1")["warnings"]!.ToJsonString(), StringComparison.Ordinal);
        bed.Update("c1", "--egress-rate", rate).Require();
        Assert.Contains("qdisc htb 1: root", container.Tc("qdisc show dev eth0"), StringComparison.Ordinal);
        bed.Plugin.Check(container, "c1").Require();
        Assert.DoesNotContain("limit of eth0", bed.Listed("c1")["warnings"]!.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_limit_that_is_gone_from_the_host_s_end_is_put_back_by_the_same_rate()
    {
        using Bed bed = new(config => config.With("ingressRateLimitPerContainer", "1MB"));
        Namespace container = bed.Added("c1", 31000);
        bed.Host.Tc($"qdisc del dev {bed.HostInterface("c1")} root");
        bed.Update("c1", "--ingress-rate", "1MB").Require();
        bed.Plugin.Check(container, "c1").Require();
    }

    [Fact]
    public void Taking_a_limit_off_leaves_what_the_container_s_root_put_in_its_place()
    {
        using Bed bed = new(config => config.With("egressRateLimitPerContainer", "1MB"));
        Namespace container = bed.Added("c1", 31000);
        container.Tc("qdisc del dev eth0 root");
        container.Tc("qdisc add dev eth0 root handle 1: tbf rate 1gbit burst 1m latency 50ms");
        bed.Update("c1", "--egress-rate", "none").Require();
        Assert.Contains("qdisc tbf 1: root", container.Tc("qdisc show dev eth0"), StringComparison.Ordinal);
        bed.Plugin.Check(container, "c1").Require();
    }

    private static long Rate(JsonObject attachment, string direction) =>
        (attachment[direction] ?? attachment["limits"]?[direction]) is { } limit ? (long)limit["rate"]! : 0;

    private static long SentBytes(Namespace place, string device) =>
        long.Parse(place.Tc($"-s class show dev {device}").Split("Sent ")[1].Split(' ')[0]);
}
