using System.Text.RegularExpressions;
using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Tests.Configuration;

/// <summary>Each case fails without the rule that it is about.</summary>
public sealed class RateLimitsTests
{
    private const int Frame = 1514;

    /// <summary>Rate, ceil and burst, in bytes, of a container on a host of 4 CPUs; "none" for no limit.</summary>
    [Theory]
    [InlineData("", "2", "none")]
    [InlineData("\"egressBurst\":5000,\"egressCeilLimit\":5000,\"maximumEgressRateLimit\":5000,\"minimumEgressRateLimit\":5000", "2", "none")]
    [InlineData("\"ingressRateLimitPerContainer\":1000000", "2", "none")]

    // What was asked for.
    [InlineData("\"egressRateLimitPerContainer\":\"1000KB\"", "", "1024000 1024000 10240")]
    [InlineData("\"egressRatePerCpu\":1000000", "3", "3000000 3000000 30000")]
    [InlineData("\"egressRatePerCpu\":1000000", "2.999", "2000000 2000000 20000")]
    [InlineData("\"egressRatePerCpu\":\"auto\",\"linkSpeed\":4000003", "2", "2000000 2000000 20000")]
    [InlineData("\"egressRatePerCpu\":\"auto\",\"linkSpeed\":4000000", "8", "8000000 8000000 80000")]
    [InlineData("\"egressRatePerCpu\":1000000,\"runtimeConfig\":{\"bandwidth\":{\"EgressRate\":16000000}}", "3", "2000000 2000000 20000")]
    [InlineData("\"egressRateLimitPerContainer\":1000000,\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":0}}", "", "1000000 1000000 10000")]

    // Minimum and maximum, in this order.
    [InlineData("\"egressRateLimitPerContainer\":1000", "", "125000 125000 3028")]
    [InlineData("\"egressRateLimitPerContainer\":125000", "", "125000 125000 3028")]
    [InlineData("\"egressRatePerCpu\":1000000", "0.5", "125000 125000 3028")]
    [InlineData("\"egressRatePerCpu\":1000000", "", "125000 125000 3028")]
    [InlineData("\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":7}}", "", "125000 125000 3028")]
    [InlineData("\"egressRateLimitPerContainer\":1000,\"minimumEgressRateLimit\":2000", "", "2000 2000 3028")]
    [InlineData("\"egressRateLimitPerContainer\":1000,\"minimumEgressRateLimit\":0", "", "1000 1000 3028")]
    [InlineData("\"egressRateLimitPerContainer\":1000,\"minimumIngressRateLimit\":2000", "", "125000 125000 3028")]
    [InlineData("\"egressRatePerCpu\":1000000,\"minimumEgressRateLimit\":0", "0.5", "none")]
    [InlineData("\"egressRateLimitPerContainer\":9000000,\"maximumEgressRateLimit\":1000000", "", "1000000 1000000 10000")]
    [InlineData("\"egressRateLimitPerContainer\":9000000,\"maximumEgressRateLimit\":1000", "", "1000 1000 3028")]
    [InlineData("\"egressRateLimitPerContainer\":500,\"maximumEgressRateLimit\":1000", "", "1000 1000 3028")]
    [InlineData("\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":80000000}},\"maximumEgressRateLimit\":1000000", "", "1000000 1000000 10000")]

    // Ceil.
    [InlineData("\"egressRateLimitPerContainer\":1000000,\"egressCeilLimit\":1000001", "", "1000000 1000001 10000")]
    [InlineData("\"egressRateLimitPerContainer\":1000000,\"egressCeilLimit\":999999", "", "1000000 1000000 10000")]
    [InlineData("\"egressRateLimitPerContainer\":1000,\"egressCeilLimit\":100000", "", "125000 125000 3028")]

    // Burst.
    [InlineData("\"egressRateLimitPerContainer\":1000000,\"egressBurst\":50000", "", "1000000 1000000 50000")]
    [InlineData("\"egressRateLimitPerContainer\":1000000,\"egressBurst\":2000,\"egressCeilLimit\":2000000", "", "1000000 2000000 2000")]
    [InlineData("\"egressRateLimitPerContainer\":1000000,\"egressBurst\":1513", "", "1000000 1000000 1514")]
    [InlineData("\"egressRateLimitPerContainer\":302700", "", "302700 302700 3028")]
    [InlineData("\"egressRateLimitPerContainer\":302900", "", "302900 302900 3029")]
    [InlineData("\"egressBurst\":9,\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":8000000,\"egressBurst\":400000}}", "", "1000000 1000000 50000")]
    [InlineData("\"egressBurst\":9000,\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":8000000,\"egressBurst\":4294967295}}", "", "1000000 1000000 9000")]
    [InlineData("\"runtimeConfig\":{\"bandwidth\":{\"EgressRate\":8000000,\"EgressBurst\":34359738359}}", "", "1000000 1000000 10000")]
    [InlineData("\"egressRateLimitPerContainer\":1000000,\"egressBurst\":274877906", "", "1000000 1000000 274877906")]
    [InlineData("\"egressRateLimitPerContainer\":1000000,\"egressBurst\":274877907", "", "1000000 1000000 274877906")]
    [InlineData("\"egressRateLimitPerContainer\":1,\"minimumEgressRateLimit\":0", "", "1 1 274")]
    [InlineData("\"egressRateLimitPerContainer\":1,\"minimumEgressRateLimit\":0,\"egressBurst\":1", "", "1 1 274")]

    // Saturation.
    [InlineData(
        "\"egressRateLimitPerContainer\":18446744073709551615,\"egressBurst\":18446744073709551615",
        "",
        "9223372036854775807 9223372036854775807 9223372036854775807")]
    [InlineData("\"egressRatePerCpu\":18446744073709551615", "65536", "9223372036854775807 9223372036854775807 92233720368547758")]
    [InlineData("\"egressRateLimitPerContainer\":1000000,\"egressCeilLimit\":18446744073709551615", "", "1000000 9223372036854775807 10000")]
    public void Limit_follows_from_the_configuration(string keys, string cpus, string expected)
    {
        var limits = Compute(keys, cpus, null);
        Assert.Equal(expected, limits.Egress is { } limit ? $"{limit.Rate} {limit.Ceil} {limit.Burst}" : "none");

        // The other direction is the same rules with the other keys.
        var mirrored = Regex.Replace(
            keys, "(in|e)gress", m => m.Value[0] switch { 'e' => "ingress", 'E' => "Ingress", 'i' => "egress", _ => "Egress" }, RegexOptions.IgnoreCase);
        Assert.Equal(limits.Egress, Compute(mirrored, cpus, null).Ingress);
    }

    [Theory]
    [InlineData("\"egressRatePerCpu\":\"auto\"", 4000000UL, 1000000)]
    [InlineData("\"egressRatePerCpu\":\"auto\",\"linkSpeed\":8000000", 4000000UL, 2000000)]
    [InlineData("\"egressRatePerCpu\":\"Auto\",\"linkSpeed\":0", 4000000UL, 1000000)]
    [InlineData("\"egressRatePerCpu\":\"auto\"", 3UL, 125000)]
    public void Auto_takes_the_key_and_then_the_interface(string keys, ulong interfaceSpeed, long rate) =>
        Assert.Equal(rate, Compute(keys, "1", interfaceSpeed).Egress!.Rate);

    [Theory]
    [InlineData("egress", "2")]
    [InlineData("ingress", "2")]
    [InlineData("ingress", "")]
    public void Auto_without_a_speed_is_refused(string direction, string cpus)
    {
        var error = Assert.Throws<CniException>(() => Compute($"\"{direction}RatePerCpu\":\"auto\"", cpus, null));
        Assert.Equal(CniErrorCode.InvalidNetworkConfig, error.Code);
        Assert.Contains($"{direction}RatePerCpu: \"auto\"", error.Message, StringComparison.Ordinal);
        Assert.Contains("set linkSpeed", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Auto_that_the_runtime_overrides_needs_no_speed() => Assert.Equal(
        1000000, Compute("\"egressRatePerCpu\":\"auto\",\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":8000000}}", "", null).Egress!.Rate);

    [Theory]
    [InlineData("\"egressRateLimitPerContainer\":1000000", "")]
    [InlineData("\"egressRateLimitPerContainer\":4000000", "")]
    [InlineData("\"egressRateLimitPerContainer\":1,\"egressBurst\":1", "")]
    [InlineData("\"egressRatePerCpu\":1000000", "0.5")]
    [InlineData("\"egressRatePerCpu\":\"auto\",\"ingressRatePerCpu\":\"auto\"", "4")]
    [InlineData("\"egressRateLimitPerContainer\":9000000,\"maximumEgressRateLimit\":4000000", "")]
    public void Ordinary_limits_warn_of_nothing(string keys, string cpus) => Assert.Empty(Compute(keys, cpus, 4000000).Warnings);

    [Theory]
    [InlineData("\"egressRatePerCpu\":1000", "", "egressRatePerCpu: 1000 ", "CNI_ARGS", "CPUS", "org.apache.mesos", "cpus")]
    [InlineData("\"ingressRatePerCpu\":\"auto\"", "", "ingressRatePerCpu: \"auto\" ", "CPUS", "cpus")]
    [InlineData("\"egressRatePerCpu\":1000,\"minimumEgressRateLimit\":0", "0.5", "egressRatePerCpu: ", "not limited")]
    [InlineData("\"egressRateLimitPerContainer\":4000001", "", "egressRateLimitPerContainer: 4000001 ", "4000000")]
    [InlineData("\"egressRatePerCpu\":2000001", "2", "egressRatePerCpu: 4000002 ", "4000000")]
    [InlineData("\"runtimeConfig\":{\"bandwidth\":{\"ingressRate\":80000000}}", "", "runtimeConfig.bandwidth.ingressRate: 10000000 ", "4000000")]
    [InlineData("\"egressRateLimitPerContainer\":1,\"minimumEgressRateLimit\":5000000", "", "minimumEgressRateLimit: 5000000 ", "4000000")]
    [InlineData("\"egressRateLimitPerContainer\":9000000,\"maximumEgressRateLimit\":5000000", "", "maximumEgressRateLimit: 5000000 ", "4000000")]
    [InlineData("\"ingressRateLimitPerContainer\":1000000,\"ingressBurst\":274877907", "", "ingressBurst: 274877907 ", "1000000", "274877906")]
    public void Warning_names_key_and_value(string keys, string cpus, params string[] parts)
    {
        var warning = Assert.Single(Compute(keys, cpus, 4000000).Warnings);
        Assert.StartsWith(parts[0], warning, StringComparison.Ordinal);
        Assert.All(parts, part => Assert.Contains(part, warning, StringComparison.Ordinal));
    }

    [Fact]
    public void Rate_is_compared_with_a_known_speed_alone() =>
        Assert.Empty(Compute("\"egressRateLimitPerContainer\":18446744073709551615", "", null).Warnings);

    [Fact]
    public void Warnings_of_both_directions_are_kept() => Assert.Collection(
        Compute("\"egressRatePerCpu\":1000,\"ingressRateLimitPerContainer\":4000001", "", 4000000).Warnings,
        warning => Assert.StartsWith("egress", warning, StringComparison.Ordinal),
        warning => Assert.StartsWith("ingress", warning, StringComparison.Ordinal));

    [Fact]
    public void A_larger_frame_makes_larger_bursts()
    {
        var settings = new RateSettings { Limit = 200_000 };
        Assert.Equal(new RateLimit(200_000, 200_000, 2 * 9014), RateLimits.Compute(settings, "egress", null, null, 1, 9014).Limit);
        Assert.Equal(9014, RateLimits.Compute(settings with { Burst = 1 }, "egress", null, null, 1, 9014).Limit!.Burst);
    }

    /// <summary>Rate, ceil and burst before and after; "none" for no limit.</summary>
    [Theory]
    [InlineData("none", 0, "none")]
    [InlineData("none", 1_000_000, "1000000 1000000 10000")]
    [InlineData("1000000 1000000 10000", 0, "none")]
    [InlineData("1000000 1000000 10000", 1_000_000, "1000000 1000000 10000")]
    [InlineData("1000000 1000000 10000", 2_000_000, "2000000 2000000 20000")]
    [InlineData("1000000 1000000 10000", 1, "1 1 274")]

    // A burst that somebody chose stays, as far as the kernel can hold it.
    [InlineData("1000000 1000000 64000", 2_000_000, "2000000 2000000 64000")]
    [InlineData("1000000 1000000 64000", 100, "100 100 27487")]

    // So does a ceil above both rates.
    [InlineData("1000000 4000000 10000", 2_000_000, "2000000 4000000 20000")]
    [InlineData("1000000 4000000 10000", 500_000, "500000 4000000 5000")]
    [InlineData("1000000 4000000 10000", 4_000_000, "4000000 4000000 40000")]
    [InlineData("1000000 4000000 10000", 8_000_000, "8000000 8000000 80000")]
    [InlineData("none", ulong.MaxValue, "9223372036854775807 9223372036854775807 92233720368547758")]
    public void Another_rate_for_a_container_that_runs(string previous, ulong rate, string expected)
    {
        var limit = previous.Split(' ') is [var before, var ceil, var burst] ? new RateLimit(long.Parse(before), long.Parse(ceil), long.Parse(burst)) : null;
        var found = RateLimits.Replace(limit, rate, Frame);
        Assert.Equal(expected, found is null ? "none" : $"{found.Rate} {found.Ceil} {found.Burst}");
    }

    private static RateLimits Compute(string keys, string cpus, ulong? interfaceSpeed) =>
        RateLimits.From(Given.Configuration(keys, cpus.Length == 0 ? null : "CPUS=" + cpus), interfaceSpeed, 4, Frame);
}
