using System.Globalization;
using System.Text;
using CniIsolator.Bench.Control;
using CniIsolator.Bench.Exporter;
using CniIsolator.Bench.Plots;
using CniIsolator.Bench.Shaping;
using CniIsolator.Bench.Traffic;

namespace CniIsolator.Bench;

/// <content>The short tables that stand in the README: <see cref="Readme"/> puts them there.</content>
internal sealed partial class Report
{
    private readonly Dictionary<string, string> _briefs = [];

    private void Brief(ControlResult result)
    {
        ControlSamples own = result.Contestants[0];
        Brief(
            "control",
            ["median, ms, process start to exit", "ADD", "to ours", "DEL", "to ours"],
            [
                .. result.Contestants.Select(c => (string[])
                [
                    c.Name, Short(c.Add.P50), Times(c.Add.P50 / own.Add.P50), Short(c.Delete.P50), Times(c.Delete.P50 / own.Delete.P50),
                ]),
                ["RTM_DELLINK by itself", "", "", Short(result.DeleteLink.P50), Times(result.DeleteLink.P50 / own.Delete.P50)],
                [$"ours, the first ten of {result.Many.Add.Count}", Short(First(result.Many.Add)), "", Short(First(result.Many.Delete)), ""],
                [$"ours, the last ten of {result.Many.Add.Count}", Short(Last(result.Many.Add)), "", Short(Last(result.Many.Delete)), ""],
            ]);
        Plot("control-path", "ADD and DEL, milliseconds", BarPlot.Draw(
            "ADD and DEL of one container",
            "Median milliseconds from process start to exit; shorter is better",
            [
                .. result.Contestants.Select(c => new BarGroup(
                    c.Name.Split(" (")[0], [new Bar(c.Add.P50, Milliseconds(c.Add), "c0"), new Bar(c.Delete.P50, Milliseconds(c.Delete), "c1")])),
            ],
            [("c0", "ADD"), ("c1", "DEL")]));
    }

    private void Brief(DataResult result)
    {
        Brief(
            "data",
            ["from outside; ratio to host networking in the same round", "TCP", "UDP round trip", "the same on one processor"],
            [
                [
                    result.Host.Name,
                    $"{Short(Sample.Median(result.Host.Rounds.Select(r => r.Gigabits)))} Gbit/s",
                    $"{Short(Sample.Median(result.Host.Rounds.Select(r => r.Apart)))} µs",
                    $"{Short(Sample.Median(result.Host.Rounds.Select(r => r.Together)))} µs",
                ],
                .. result.Scenes.Skip(1).Select(s => (string[])
                [
                    s.Name,
                    Times(DataResult.Ratio(s, result.Host, r => r.Gigabits)),
                    Times(DataResult.Ratio(s, result.Host, r => 1 / r.Apart)),
                    Times(DataResult.Ratio(s, result.Host, r => 1 / r.Together)),
                ]),
            ]);
        Plot("data-path", "Traffic from outside, beside host networking", BarPlot.Draw(
            "Traffic from outside",
            "Ratio to host networking in the same round; longer is better",
            [
                .. result.Scenes.Skip(1).Select(s => new BarGroup(s.Name, [Beside(s, r => r.Gigabits, "c0"), Beside(s, r => 1 / r.Apart, "c1"), Beside(s, r => 1 / r.Together, "c2")])),
            ],
            [("c0", "TCP"), ("c1", "UDP round trip"), ("c2", "the same on one processor")],
            (1, "host networking")));

        Bar Beside(SceneSamples scene, Func<Measurement, double> goodness, string colour)
        {
            double ratio = DataResult.Ratio(scene, result.Host, goodness);
            return new Bar(ratio, Times(ratio), colour);
        }
    }

    private void Brief(ShapingResult result)
    {
        Brief(
            "limits",
            ["limit", "direction", "TCP flows", "on the wire", "goodput"],
            [
                .. result.Rates.Select(c => (string[])
                [
                    $"{c.Megabits} Mbit/s", Name(c.Direction), c.Flows.ToString(CultureInfo.InvariantCulture), Percent(c.Achieved), Percent(c.Goodput / c.Megabits),
                ]),
            ]);
        Brief(
            "isolation",
            ["round trips of a thin flow, ms", "queue at", "thin flow of", "p50", "p99", "p99 to ours"],
            [
                .. result.Rows.Select(r => (string[])
                [
                    r.Contestant, Place(r.Bottleneck), r.Other ? "another container" : "the same", Short(r.Percentile(50)), Short(r.Percentile(99)),
                    Times(r.Percentile(99) / Own(r).Percentile(99)),
                ]),
            ]);

        IsolationRow Own(IsolationRow row) =>
            row.Bottleneck == Bottleneck.Master ? result.Row(Isolation.Unique, row.Bottleneck, row.Other) : result.Row(Isolation.Own, row.Bottleneck, row.Other);
    }

    private void Brief(ExporterResult result) => Brief(
        "exporter",
        [$"one scrape of {result.Containers} containers", "p50, ms", "p99", "to node_exporter", "resident, MB"],
        [
            .. result.Own.Concat(result.Peers).Select(s => (string[])
            [
                s.Name, Short(s.Wall.P50), Short(s.Wall.P99), Times(result.Ratio(s)), Short(s.Usual.Resident),
            ]),
            ["kernel: counters of all links", Short(result.Links.P50), Short(result.Links.P99), "", ""],
            ["kernel: qdiscs of the host", Short(result.Qdiscs.P50), Short(result.Qdiscs.P99), "", ""],
            ["kernel: qdiscs in all containers", Short(result.Inside.P50), Short(result.Inside.P99), "", ""],
        ]);

    private void Brief(string name, string[] heads, IEnumerable<string[]> rows)
    {
        StringBuilder text = new();
        text.Append("| ").AppendJoin(" | ", heads).Append(" |\n|---|").AppendJoin("", Enumerable.Repeat("---:|", heads.Length - 1)).Append('\n');
        foreach (string[] row in rows)
        {
            text.Append("| ").AppendJoin(" | ", row).Append(" |\n");
        }

        _briefs[name] = text.ToString();
    }

    private static string Milliseconds(Sample sample) => Short(sample.P50) + " ms";

    private static string Short(double value) => value.ToString(value < 100 ? "0.0" : "0", CultureInfo.InvariantCulture);

    private static string Times(double ratio) => ratio.ToString(ratio < 10 ? "0.00" : "0.0", CultureInfo.InvariantCulture);
}
