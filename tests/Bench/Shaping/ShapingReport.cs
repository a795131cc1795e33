using System.Globalization;
using System.Text.Json.Nodes;
using CniIsolator.Bench.Plots;
using CniIsolator.Bench.Shaping;

namespace CniIsolator.Bench;

/// <content>Bandwidth limits.</content>
internal sealed partial class Report
{
    private const double Below = 0.95;
    private const double Above = 1.01;
    private const double Fifth = 0.2;

    public void Add(ShapingResult result)
    {
        Table(
            "Bandwidth limits: achieved rate, Mbit/s",
            ["limit", "direction", "flows", "on the wire", "to the limit", "goodput", "to the limit"],
            [
                .. result.Rates.Select(c => (string[])
                [
                    $"{c.Megabits} Mbit/s", Name(c.Direction), $"{c.Flows}", Rate(c.Wire), Percent(c.Achieved), Rate(c.Goodput), Percent(c.Goodput / c.Megabits),
                ]),
            ]);
        Note(
            "A limit counts Ethernet frames with their headers, and so does \"on the wire\": the shaper's own counter, from packet to packet, after the "
            + "connections have got going. Goodput is the payload that the receiving programs got: at most 95.6 % of the wire with 1514-byte frames and TCP's "
            + "timestamps, less what was sent again; at 1 Mbit/s uncertain by a few percent, as TCP makes packets of up to 64 KB. TCP, both ends on this machine.");
        Plot("achieved-rate", "Achieved rate, in percent of the limit", RatePlot.Draw(result.Rates, Below, Above));
        Table(
            $"Does it isolate? Round trips of a thin flow beside {Isolation.BulkCount} bulk flows of a container limited to {Isolation.Megabits} Mbit/s, ms",
            ["", "queue at", "thin flow of", "idle p50", "idle p99", "p50", "p90", "p99", "max", "lost", "disturbed", "bulk goodput, Mbit/s"],
            [
                .. result.Rows.Select(r => (string[])
                [
                    r.Contestant, Place(r.Bottleneck), r.Other ? "another container" : "the same", Number(new Sample(r.Idle).P50), Number(new Sample(r.Idle).P99),
                    .. new[] { 50, 90, 99 }.Select(percent => Number(r.Percentile(percent))), Number(r.Max),
                    Part(r, trips => trips.Lost), Part(r, trips => trips.Disturbed), Rate(r.Goodput),
                ]),
            ]);
        Note(
            $"{result.Rows[0].Rounds.Count} rounds, hosts in turns, medians over the rounds. In user-mode Linux: one slow processor and a scheduler clock of 10 ms; the "
            + "shapers' timers are exact. The thin flow's threads go ahead of the bulk flows', so that they wait for the queue rather than for the processor. Disturbed are "
            + "requests that were on their way while the guest as a whole stood still for 8 ms or more, because the machine had other things to do.");
        Note(
            $"A request of 64 bytes every {Isolation.PaceMilliseconds} ms by UDP; what was lost or disturbed is in no percentile. fq_codel finds a flow's queue by a hash: "
            + $"among its 1024 the thin flow shares one with one of {Isolation.BulkCount} bulk flows by a chance of 3 %, and is then served and dropped as that one is.");
        Note(
            $"The {Isolation.Reference}: ptp + host-local + bandwidth, whose queue holds 25 ms and a burst. That is this project's own, 10 ms of the rate, and in one row "
            + "what kubelet gave with every limit, 2^31-1 bits: these pass without a limit (here before the measurement), and as many may queue from then on.");
        Note(
            $"At the master: an operator's htb class of {Isolation.MasterMegabits} Mbit/s, which has htb's plain queue, or, with unique flows, an fq_codel with a queue "
            + "for each container, which a container's own flows share.");
        Plot("round-trips", "Round trips of a thin flow beside bulk flows, in milliseconds", RoundTripPlot.Draw(result.Rows));
        _json["shaping"] = new JsonObject { ["rates"] = AchievedRate.Json(result.Rates), ["isolation"] = Json(result.Rows) };
        Brief(result);
        Judge(result);
    }

    private void Judge(ShapingResult result)
    {
        foreach (RateCell cell in result.Rates)
        {
            string measured = Percent(cell.Achieved);
            _aims.Add(new Aim(
                $"limit of {cell.Megabits} Mbit/s, {Name(cell.Direction)}, {Flows(cell.Flows)}: wire rate",
                "95 % to 101 %",
                measured,
                cell.Achieved is >= Below and <= Above));
        }

        foreach ((string what, IsolationRow own, IsolationRow peer) in new[]
                 {
                     ("same container, egress", result.Row(Isolation.Own, Bottleneck.Egress), result.Row(Isolation.Reference, Bottleneck.Egress)),
                     ("same container, ingress", result.Row(Isolation.Own, Bottleneck.Ingress), result.Row(Isolation.Reference, Bottleneck.Ingress)),
                     (
                         "another container, unique flows",
                         result.Row(Isolation.Unique, Bottleneck.Master, other: true),
                         result.Row(Isolation.Reference, Bottleneck.Master, other: true)),
                 })
        {
            _aims.Add(Aim.AtMost($"thin flow, {what}: p99 beside bandwidth plugin's", Fifth, own.Ratio(peer, round => round.Percentile(99))));
            _aims.Add(Aim.AtLeast($"bulk flows, {what}: goodput beside bandwidth plugin's", Below, own.Ratio(peer, round => round.Goodput)));
        }
    }

    private static string Name(Direction direction) => direction == Direction.Egress ? "egress" : "ingress";

    private static string Part(IsolationRow row, Func<RoundTrips, int> part) =>
        Percent((double)row.Rounds.Sum(round => part(round.Trips)) / row.Rounds.Sum(round => round.Trips.Sent));

    private static string Flows(int count) => count == 1 ? "1 flow" : $"{count} flows";

    private static string Place(Bottleneck bottleneck) => bottleneck switch
    {
        Bottleneck.Egress => "its egress limit",
        Bottleneck.Ingress => "its ingress limit",
        _ => "the master",
    };

    private static string Rate(double megabits) => megabits.ToString(megabits < 10 ? "0.000" : "0.00", CultureInfo.InvariantCulture);

    private static string Percent(double ratio) => (ratio * 100).ToString("0.0", CultureInfo.InvariantCulture) + " %";

    private static JsonArray Json(IEnumerable<IsolationRow> rows) => [.. rows.Select(r => (JsonNode)new JsonObject
    {
        ["contestant"] = r.Contestant,
        ["bottleneck"] = r.Bottleneck.ToString(),
        ["otherContainer"] = r.Other,
        ["idle"] = Json(new Sample(r.Idle)),
        ["rounds"] = new JsonArray([.. r.Rounds.Select(round => (JsonNode)new JsonObject
        {
            ["goodput"] = Math.Round(round.Goodput, 3),
            ["lost"] = round.Trips.Lost,
            ["disturbed"] = round.Trips.Disturbed,
            ["loaded"] = Json(new Sample(round.Trips.Milliseconds)),
        })]),
    })];
}
