using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Plugin.Configuration;
using FsCheck;
using FsCheck.Fluent;

namespace CniIsolator.Plugin.Tests.Configuration;

/// <summary>What holds for the limits of any configuration, compared with the rules in numbers that cannot overflow.</summary>
public sealed class RateLimitsPropertyTests
{
    private static readonly Config Thorough = Config.QuickThrowOnFailure.WithMaxTest(20_000);

    // Any number of digits is as likely as any other, and the ends more so.
    private static readonly Gen<ulong> Amount = Gen.OneOf(
        from bits in Gen.Choose(0, 63)
        from high in Gen.Choose(0, int.MaxValue)
        from low in Gen.Choose(0, int.MaxValue)
        select (((ulong)high << 33) ^ ((ulong)low << 2)) >> bits,
        Gen.Elements<ulong>(1, 1513, 1514, 124_999, 125_000, 125_001, long.MaxValue, (ulong)long.MaxValue + 1, ulong.MaxValue - 1, ulong.MaxValue));

    private static readonly Gen<ulong?> Positive = Gen.OneOf(Amount.Select(a => (ulong?)Math.Max(a, 1)), Gen.Constant<ulong?>(null));

    private static readonly Gen<decimal> Cpus = Gen.OneOf(
        Gen.Choose(0, 65536).Select(c => (decimal)c), Gen.Choose(0, 100_000).Select(c => c / 1000m), Gen.Elements(0m, 0.999m, 1m, 65535.999m, 65536m));

    private static readonly Gen<RateSettings> Settings =
        from kind in Gen.Choose(0, 3)
        from asked in Amount
        from bounds in Positive.Two()
        from noMinimum in Gen.Elements(false, false, true)
        from ceil in Positive
        from burst in Positive
        select new RateSettings
        {
            Limit = kind == 1 ? Math.Max(asked, 1) : null,
            PerCpu = kind == 2 ? Math.Max(asked, 1) : null,
            PerCpuAuto = kind == 3,
            Minimum = noMinimum ? 0 : bounds.Item1 is { } a && bounds.Item2 is { } b ? Math.Min(a, b) : bounds.Item1,
            Maximum = bounds.Item1 is { } c && bounds.Item2 is { } d ? Math.Max(c, d) : bounds.Item2,
            Ceil = ceil,
            Burst = burst,
        };

    private static readonly Arbitrary<Case> Cases = (
        from settings in Settings
        from cpus in Gen.OneOf(Cpus.Select(c => (decimal?)c), Gen.Constant<decimal?>(null))
        from speed in Gen.OneOf(Amount.Select(a => (ulong?)a), Gen.Constant<ulong?>(null))
        from hostCpus in Gen.OneOf(Gen.Choose(1, 512), Gen.Constant(int.MaxValue))
        from frame in Gen.Choose(82, 65549)
        select new Case(settings, cpus, speed, hostCpus, frame)).ToArbitrary();

    [Fact]
    public void Rate_is_what_was_asked_for_between_minimum_and_maximum() => Check((Case given, RateLimit? limit) =>
    {
        var settings = given.Settings;
        var whole = (UInt128)decimal.Floor(given.Cpus ?? 0);
        var rate = settings.Limit
            ?? (settings.PerCpu is { } perCpu ? perCpu * whole : given.LinkSpeed!.Value / (ulong)given.HostCpus * whole);
        rate = UInt128.Max(rate, settings.Minimum ?? 125_000);
        rate = UInt128.Min(rate, settings.Maximum ?? ulong.MaxValue);
        Assert.Equal(UInt128.Min(rate, long.MaxValue), (UInt128)(limit?.Rate ?? 0));
    });

    [Fact]
    public void Ceil_is_the_key_or_the_rate() => Check((Case given, RateLimit? limit) =>
    {
        if (limit is not null)
        {
            Assert.Equal((long)Math.Max((ulong)limit.Rate, Math.Min(given.Settings.Ceil ?? 0, long.MaxValue)), limit.Ceil);
        }
    });

    [Fact]
    public void Burst_holds_a_frame_and_the_kernel_holds_the_burst() => Check((Case given, RateLimit? limit) =>
    {
        if (limit is not null)
        {
            var ticks = (UInt128)limit.Burst * 1_000_000_000 / 64 / (UInt128)limit.Rate;
            Assert.True(ticks <= uint.MaxValue);
            var fits = ((UInt128)given.Frame * 1_000_000_000) <= (UInt128)limit.Rate * 64 * uint.MaxValue;
            Assert.True(limit.Burst >= given.Frame || !fits);
            if (given.Settings.Burst is { } burst && burst >= (ulong)given.Frame && limit.Burst < (long)Math.Min(burst, long.MaxValue))
            {
                Assert.Contains(given.Compute().Warnings, w => w.StartsWith($"egressBurst: {burst} ", StringComparison.Ordinal));
            }
        }
    });

    [Fact]
    public void More_cpus_never_lower_the_rate() => Prop.ForAll(
        Cases, Cpus.Two().ToArbitrary(), (given, cpus) =>
        {
            // No limit, for want of a minimum, stands for a rate of 0 here.
            var rates = new[] { Math.Min(cpus.Item1, cpus.Item2), Math.Max(cpus.Item1, cpus.Item2) }
                .Select(c => (given with { Cpus = c, LinkSpeed = given.LinkSpeed ?? 1 }).Compute().Limit?.Rate ?? 0).ToArray();
            Assert.True(rates[0] <= rates[1]);
        }).Check(Thorough);

    [Fact]
    public void Speed_matters_to_auto_alone() => Prop.ForAll(Cases, given =>
    {
        if (!given.Settings.PerCpuAuto)
        {
            Assert.Equal((given with { LinkSpeed = null }).Compute().Limit, given.Compute().Limit);
        }
    }).Check(Thorough);

    /// <summary>Only an unknown link speed is refused, and nothing else fails.</summary>
    private static void Check(Action<Case, RateLimit?> verify) => Prop.ForAll(Cases, given =>
    {
        if (given.Settings.PerCpuAuto && given.LinkSpeed is null)
        {
            Assert.Equal(CniErrorCode.InvalidNetworkConfig, Assert.Throws<CniException>(() => given.Compute()).Code);
        }
        else if (given.Settings.IsLimited)
        {
            verify(given, given.Compute().Limit);
        }
        else
        {
            Assert.Null(given.Compute().Limit);
        }
    }).Check(Thorough);

    private sealed record Case(RateSettings Settings, decimal? Cpus, ulong? LinkSpeed, int HostCpus, int Frame)
    {
        public (RateLimit? Limit, IReadOnlyList<string> Warnings) Compute() =>
            RateLimits.Compute(Settings, "egress", Cpus, LinkSpeed, HostCpus, Frame);
    }
}
