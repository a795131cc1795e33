using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using CniIsolator.Bench.Control;
using CniIsolator.Bench.Traffic;
using CniIsolator.Testbed;

namespace CniIsolator.Bench;

/// <summary>Turns results into tables for people and JSON for programs.</summary>
internal sealed partial class Report
{
    private readonly StringBuilder _text = new();
    private readonly List<Aim> _aims = [];
    private readonly Dictionary<string, string> _plots = [];
    private readonly JsonObject _json = new() { ["processors"] = Environment.ProcessorCount, ["kernel"] = Kernel() };

    /// <summary>The tables as Markdown.</summary>
    public string Markdown => _text.ToString();

    public void Add(ControlResult result)
    {
        ControlSamples own = result.Contestants[0];
        Table(
            "Control path: milliseconds from process start to exit",
            [
                "", "ADD p50", "p90", "p99", "to ours", "DEL p50", "p90", "p99", "to ours",
            ],
            [
                .. result.Contestants.Select(c => (string[])
                [
                    c.Name, .. Percentiles(c.Add), Ratio(c.Add.P50 / own.Add.P50), .. Percentiles(c.Delete), Ratio(c.Delete.P50 / own.Delete.P50),
                ]),
                ["kernel: RTM_DELLINK by itself", "", "", "", "", .. Percentiles(result.DeleteLink), Ratio(result.DeleteLink.P50 / own.Delete.P50)],
            ]);
        Note(
            $"{own.Add.Count} containers each, contestants in turns. Ours: ephemeral slice and 3 fixed ports. The chain: 3 ports, rates both ways; "
            + "ours takes no rates here. A chain's time is the sum of its processes.");
        Table(
            "A host that fills up: median milliseconds of ten containers",
            ["", "first 10", "last 10", "last to first"],
            [
                Fill("ADD", result.Many.Add), Fill("DEL", result.Many.Delete),
            ]);
        Note($"{result.Many.Add.Count} containers. DEL begins on the full host.");
        Table(
            "Process start",
            ["", "p50", "p90", "p99"],
            [.. result.StartUp.Select(s => (string[])[s.Key, .. Percentiles(s.Value)])]);
        _json["control"] = Json(result);
        Brief(result);
        Judge(result);
    }

    public void Add(DataResult result)
    {
        Table(
            "Data path: from outside, medians over rounds; in brackets the median ratio to host networking in the same round, 1 and above is as good or better",
            ["", "TCP Gbit/s", "UDP round trip, 2 processors, us", "UDP round trip, 1 processor, us", "mean of it, us"],
            [
                .. result.Scenes.Select(s => (string[])
                [
                    s.Name,
                    Cell(s, result, r => r.Gigabits, r => r.Gigabits),
                    Cell(s, result, r => r.Apart, r => 1 / r.Apart),
                    Cell(s, result, r => r.Together, r => 1 / r.Together),
                    Cell(s, result, r => r.TogetherMean, r => 1 / r.TogetherMean),
                ]),
            ]);
        Note(
            $"{result.Host.Rounds.Count} rounds, scenes in turns. Two processors: client and server on one each. One processor: nothing but the work on the way. "
            + "Mesos' lists: this project's container and veth, with one linear list on the master and one on lo in the place of the tables. Bridge: the reference "
            + "plugins bridge, host-local and portmap, the port translated by netfilter.");
        _json["data"] = Json(result);
        Brief(result);
        Judge(result);
    }

    public void Finish()
    {
        Table("Aims", ["", "wanted", "measured", ""], [.. _aims.Select(a => (string[])[a.What, a.Wanted, a.Measured, a.Met ? "met" : "missed"])]);
        _json["aims"] = new JsonArray([.. _aims.Select(a =>
            (JsonNode)new JsonObject { ["what"] = a.What, ["wanted"] = a.Wanted, ["measured"] = a.Measured, ["met"] = a.Met })]);
    }

    /// <summary>Writes the report, as Markdown and as JSON, and its plots, and returns their directory.</summary>
    public string Save()
    {
        string directory = Path.Combine(Repository.Root, "artifacts", "bench");
        if (Directory.Exists(directory))
        {
            // What an earlier run has left would pass for this one's.
            Directory.Delete(directory, recursive: true);
        }

        Directory.CreateDirectory(directory);
        string day = DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        File.WriteAllText(Path.Combine(directory, "report.md"), $"# Benchmark\n\n{day}, kernel {Kernel()}, {Environment.ProcessorCount} processors.\n\n{Markdown}");
        foreach ((string name, string table) in _briefs)
        {
            File.WriteAllText(Path.Combine(directory, $"{Readme.Prefix}{name}.md"), table);
        }

        foreach ((string file, string drawing) in _plots)
        {
            File.WriteAllText(Path.Combine(directory, file), drawing);
        }

        File.WriteAllText(Path.Combine(directory, "report.json"), _json.ToJsonString(new() { WriteIndented = true }) + "\n");
        return directory;
    }

    private void Judge(ControlResult result)
    {
        ControlSamples own = result.Contestants[0];
        ControlSamples ptp = result.Contestants.Single(c => c.Name == Contestants.Ptp);
        ControlSamples chain = result.Contestants.Single(c => c.Name == Contestants.Chain);
        _aims.Add(Aim.AtMost("ADD, p50", 6, own.Add.P50, " ms"));
        _aims.Add(Aim.AtMost("ADD beside ptp + host-local", 0.5, own.Add.P50 / ptp.Add.P50));
        _aims.Add(Aim.AtMost("ADD beside the chain", 1.0 / 15, own.Add.P50 / chain.Add.P50));
        _aims.Add(Aim.AtMost("ADD, last ten beside first ten", 1.1, Last(result.Many.Add) / First(result.Many.Add)));
        _aims.Add(Aim.AtMost("DEL beyond RTM_DELLINK, p50", 4, own.Delete.P50 - result.DeleteLink.P50, " ms"));
        _aims.Add(Aim.AtMost("DEL beside the chain", 1.0 / 6, own.Delete.P50 / chain.Delete.P50));
    }

    private void Judge(DataResult result)
    {
        const double Enough = 0.95;
        foreach (SceneSamples own in result.Scenes.Skip(1).Take(2))
        {
            _aims.Add(Aim.AtLeast($"TCP beside host networking: {own.Name}", Enough, DataResult.Ratio(own, result.Host, r => r.Gigabits)));
            _aims.Add(Aim.AtLeast($"round trips beside host networking: {own.Name}", Enough, DataResult.Ratio(own, result.Host, r => 1 / r.Apart)));
            _aims.Add(Aim.AtLeast($"the same on one processor: {own.Name}", Enough, DataResult.Ratio(own, result.Host, r => 1 / r.Together)));
        }

        (SceneSamples full, SceneSamples one) = (result.Scenes[2], result.Scenes[1]);
        _aims.Add(Aim.AtLeast("TCP, full host beside 1 container", Enough, DataResult.Ratio(full, one, r => r.Gigabits)));
        _aims.Add(Aim.AtLeast("round trips, full host beside 1 container", Enough, DataResult.Ratio(full, one, r => 1 / r.Together)));
    }

    private void Table(string title, string[] heads, IEnumerable<string[]> rows)
    {
        List<string[]> all = [heads, .. rows];
        int[] widths = [.. Enumerable.Range(0, heads.Length).Select(column => all.Max(row => row[column].Length))];
        _text.Append(CultureInfo.InvariantCulture, $"## {title}\n\n");
        for (int i = 0; i < all.Count; i++)
        {
            Row(all[i].Select((cell, column) => column == 0 ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column])));
            if (i == 0)
            {
                Row(widths.Select((width, column) => column == 0 ? new string('-', Math.Max(width, 3)) : new string('-', Math.Max(width, 3) - 1) + ":"));
            }
        }

        _text.Append('\n');
    }

    private void Row(IEnumerable<string> cells) => _text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");

    private void Note(string text) => _text.Append(text).Append("\n\n");

    /// <summary>A drawing that is saved beside the report.</summary>
    private void Plot(string name, string title, string drawing)
    {
        _plots[name + ".svg"] = drawing;
        _text.Append(CultureInfo.InvariantCulture, $"![{title}]({name}.svg)\n\n");
    }

    private static string[] Percentiles(Sample sample) => [Number(sample.P50), Number(sample.P90), Number(sample.P99)];

    private static string[] Fill(string name, Sample sample) => [name, Number(First(sample)), Number(Last(sample)), Ratio(Last(sample) / First(sample))];

    private static double First(Sample sample) => Sample.Median(sample.Values.Take(10));

    private static double Last(Sample sample) => Sample.Median(sample.Values.TakeLast(10));

    private static string Cell(SceneSamples scene, DataResult result, Func<Measurement, double> value, Func<Measurement, double> goodness) =>
        $"{Number(Sample.Median(scene.Rounds.Select(value)))} ({DataResult.Ratio(scene, result.Host, goodness).ToString("0.000", CultureInfo.InvariantCulture)})";

    private static string Number(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);

    private static string Ratio(double value) => value.ToString("0.00", CultureInfo.InvariantCulture) + "x";

    private static string Kernel() => File.ReadAllText("/proc/sys/kernel/osrelease").Trim().Split('-')[0];

    private static JsonArray Json(Sample sample) => [.. sample.Values.Select(v => (JsonNode)Math.Round(v, 3))];

    private static JsonObject Json(ControlResult result) => new()
    {
        ["contestants"] = new JsonArray([.. result.Contestants.Append(result.Many with { Name = "filling host" }).Select(c =>
            (JsonNode)new JsonObject { ["name"] = c.Name, ["add"] = Json(c.Add), ["del"] = Json(c.Delete) })]),
        ["dellink"] = Json(result.DeleteLink),
        ["startUp"] = new JsonObject(result.StartUp.Select(s => KeyValuePair.Create(s.Key, (JsonNode?)Json(s.Value)))),
    };

    private static JsonArray Json(DataResult result) => [.. result.Scenes.Select(s => (JsonNode)new JsonObject
    {
        ["name"] = s.Name,
        ["rounds"] = new JsonArray([.. s.Rounds.Select(r => (JsonNode)new JsonObject
        {
            ["gigabits"] = r.Gigabits, ["apart"] = r.Apart, ["together"] = r.Together, ["togetherMean"] = r.TogetherMean,
        })]),
    })];
}
