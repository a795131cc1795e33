using CniIsolator.Exporter.Rates;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Ipam;
using CniIsolator.Netlink.Route;
using FsCheck;
using FsCheck.Fluent;

namespace CniIsolator.Exporter.Tests;

public sealed class RateTests
{
    private static readonly RateSettings Settings = new(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(2));

    [Fact]
    public void Percentiles_lie_between_neighbours()
    {
        var found = Percentiles.Of([30, 10, 20, 50, 40])!;
        Assert.Equal((10d, 50d, 30d, 5), (found.Min, found.Max, found.P50, found.Samples));
        Assert.Equal(46, found.P90, 1e-9);
        Assert.Equal(48, found.P95, 1e-9);
        Assert.Equal(49.6, found.P99, 1e-9);
        Assert.Equal(49.96, found.P999, 1e-9);
        Assert.Equal(49.996, found.P9999, 1e-9);
        Assert.Null(Percentiles.Of([1]));
        Assert.Null(Percentiles.Of([]));
    }

    [Fact]
    public void Percentiles_are_in_order_and_in_bounds() => Prop.ForAll<double[]>(given =>
    {
        var values = given.Where(double.IsFinite).Select(v => Math.Abs(v % 1e15)).ToArray();
        if (Percentiles.Of((double[])values.Clone()) is not { } p)
        {
            return values.Length < 2;
        }

        double[] order = [p.Min, p.P50, p.P90, p.P95, p.P99, p.P999, p.P9999, p.Max];
        return p.Samples == values.Length && p.Min == values.Min() && p.Max == values.Max()
            && order.Zip(order.Skip(1)).All(pair => pair.First <= pair.Second * (1 + 1e-12) + 1e-12);
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_rate_is_what_was_counted_by_the_time_it_took_seen_from_the_container()
    {
        RateSeries series = new(Settings);
        series.Add(default, TimeSpan.Zero);
        Assert.Null(series.Of(Rate.ReceivedBytes, TimeSpan.Zero));
        series.Add(Counters(1000), TimeSpan.FromSeconds(2));
        Assert.Null(series.Of(Rate.ReceivedBytes, TimeSpan.FromSeconds(2)));
        series.Add(Counters(2000), TimeSpan.FromSeconds(6));

        foreach (var (kind, factor) in new[]
                 {
                     (Rate.ReceivedBytes, 1), (Rate.ReceivedPackets, 2), (Rate.ReceiveDrops, 3), (Rate.ReceiveErrors, 4),
                     (Rate.SentBytes, 5), (Rate.SentPackets, 6), (Rate.SendDrops, 7), (Rate.SendErrors, 8),
                 })
        {
            var found = series.Of(kind, TimeSpan.FromSeconds(6))!;
            Assert.Equal((250d * factor, 500d * factor, 2), (found.Min, found.Max, found.Samples));
        }
    }

    [Fact]
    public void Counters_that_fell_begin_anew()
    {
        RateSeries series = new(Settings);
        for (var i = 0; i < 4; i++)
        {
            series.Add(Counters((ulong)(i == 2 ? 0 : i * 1000)), TimeSpan.FromSeconds(i));
        }

        var found = series.Of(Rate.ReceivedBytes, TimeSpan.FromSeconds(3))!;
        Assert.Equal((1000d, 3000d, 2), (found.Min, found.Max, found.Samples));
    }

    [Fact]
    public void What_is_older_than_the_window_does_not_count()
    {
        RateSeries series = new(Settings);
        for (var i = 0; i <= 100; i++)
        {
            series.Add(Counters((ulong)(i * i)), TimeSpan.FromSeconds(2 * i));
        }

        Assert.Equal(5, series.Of(Rate.ReceivedBytes, TimeSpan.FromSeconds(200))!.Samples);
        var later = series.Of(Rate.ReceivedBytes, TimeSpan.FromSeconds(206))!;
        Assert.Equal((3, 99.5d), (later.Samples, later.Max));
        Assert.Null(series.Of(Rate.ReceivedBytes, TimeSpan.FromSeconds(300)));
    }

    [Fact]
    public void Containers_that_go_are_forgotten_and_another_of_the_same_name_begins_anew()
    {
        using RateSampler sampler = new(Settings, new StoreReader("/nonexistent"), TimeProvider.System, new FaultLog(TimeProvider.System, _ => { }));
        var first = Samples.Attachment("a");
        Look([first], 0, 0);
        Look([first], 1000, 1);
        Look([first], 2000, 2);
        Assert.Equal(2, sampler.Of(first)![Rate.ReceivedBytes]!.Samples);

        var again = first with { Created = first.Created.AddSeconds(1) };
        Look([again], 3000, 3);
        Assert.Null(sampler.Of(first));
        Assert.Null(sampler.Of(again)![Rate.ReceivedBytes]);
        Look([], 0, 4);
        Assert.Null(sampler.Of(again));

        void Look(IReadOnlyList<Attachment> attachments, ulong bytes, int seconds) =>
            sampler.Add(attachments, new Dictionary<int, LinkCounters> { [first.Numbers.HostEnd] = Counters(bytes) }, TimeSpan.FromSeconds(seconds));
    }

    [Theory]
    [InlineData(60, 1, null)]
    [InlineData(1, 1, null)]
    [InlineData(60, 0.05, "--rate-interval 0.05: at least 0.1 s")]
    [InlineData(1, 2, "--rate-window 1 is shorter than --rate-interval 2")]
    [InlineData(3600, 1, "--rate-window 3600 holds more than 1000 intervals of 1 s")]
    [InlineData(86401, 600, "--rate-window 86401: at most 86400 s")]
    public void Settings_are_judged(double window, double interval, string? fault) =>
        Assert.Equal(fault, new RateSettings(TimeSpan.FromSeconds(window), TimeSpan.FromSeconds(interval)).FindFault());

    [Fact]
    public void There_are_always_enough_samples() => Assert.Equal(RateSettings.FewestSamples, new RateSettings(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1)).Capacity);

    private static LinkCounters Counters(ulong n) => new()
    {
        SentBytes = n,
        SentPackets = 2 * n,
        SendDropped = 3 * n,
        SendErrors = 4 * n,
        ReceivedBytes = 5 * n,
        ReceivedPackets = 6 * n,
        ReceiveDropped = 7 * n,
        ReceiveErrors = 8 * n,
    };
}
