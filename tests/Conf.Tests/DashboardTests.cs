using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Conf.Tests;

/// <summary>The Grafana dashboard: that its queries can be asked, that what they name exists, and that it can be drawn.</summary>
public sealed partial class DashboardTests : IDisposable
{
    private static readonly JsonNode Dashboard = JsonNode.Parse(ConfFile.Read("grafana/portmap.json"))!;

    private readonly string _directory = Directory.CreateTempSubdirectory("pmit-dashboard-").FullName;

    public static TheoryData<string> Titles => [.. Panels().Select(Title)];

    private static IEnumerable<JsonNode> Variables => Dashboard["templating"]!["list"]!.AsArray()!;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [MemberData(nameof(Titles))]
    public void Metrics_of_a_panel_exist(string title) =>
        Assert.All(Expressions(Panels().Single(p => Title(p) == title)), expression => ExporterMetrics.AssertKnown(title, expression));

    [Fact]
    public void Metrics_of_variables_exist() =>
        Assert.All(Variables.Where(v => (string?)v["type"] == "query"), v => ExporterMetrics.AssertKnown((string)v["name"]!, (string)v["query"]!["query"]!));

    [Fact]
    public async Task Promtool_reads_every_expression()
    {
        // Each as a recorded rule, with the variables as Grafana puts values in their places.
        List<string> lines = ["groups:", "- name: dashboard", "  rules:"];
        int count = 0;
        foreach (string expression in Panels().SelectMany(Expressions))
        {
            string asked = expression.Replace("$__rate_interval", "2m").Replace("$__range", "1h");
            asked = Variable().Replace(asked, ".*");
            lines.Add($"  - record: e{++count}");
            lines.Add($"    expr: '{asked.Replace("'", "''")}'");
        }

        string file = Path.Combine(_directory, "rules.yml");
        await File.WriteAllLinesAsync(file, lines);
        CommandResult result = CommandResult.Run(Tools.Promtool, "check", "rules", file);
        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.Contains($"SUCCESS: {count} rules found", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Variables_that_are_used_are_there_and_all_are_used()
    {
        HashSet<string> defined = [.. Variables.Select(v => (string)v["name"]!)];
        HashSet<string> used = [.. Variable().Matches(Dashboard.ToJsonString()).Select(m => m.Groups[1].Value).Where(name => !name.StartsWith("__", StringComparison.Ordinal))];
        Assert.Equal(defined.Order(), used.Order());
    }

    [Fact]
    public void Panels_are_told_apart_and_do_not_overlap()
    {
        List<JsonNode> all = [.. Dashboard["panels"]!.AsArray().OfType<JsonNode>()];
        Assert.Equal(all.Count, all.Select(p => (int)p["id"]!).Distinct().Count());
        HashSet<(int X, int Y)> taken = [];
        foreach (JsonNode panel in all)
        {
            JsonNode at = panel["gridPos"]!;
            Assert.InRange((int)at["x"]! + (int)at["w"]!, 1, 24);
            for (int cell = 0; cell < (int)at["w"]! * (int)at["h"]!; cell++)
            {
                Assert.True(taken.Add(((int)at["x"]! + (cell % (int)at["w"]!), (int)at["y"]! + (cell / (int)at["w"]!))), $"{Title(panel)} overlaps another panel");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Titles))]
    public void A_panel_has_a_unit_and_asks_the_chosen_data_source(string title)
    {
        JsonNode panel = Panels().Single(p => Title(p) == title);
        Assert.NotEqual("", (string)panel["fieldConfig"]!["defaults"]!["unit"]!);
        Assert.All(panel["targets"]!.AsArray().Append(panel), asker => Assert.Equal("${datasource}", (string?)asker!["datasource"]!["uid"]));
    }

    private static IEnumerable<JsonNode> Panels() => Dashboard["panels"]!.AsArray().Where(p => (string?)p!["type"] != "row")!;

    private static string Title(JsonNode panel) => (string)panel["title"]!;

    private static IEnumerable<string> Expressions(JsonNode panel) => panel["targets"]!.AsArray().Select(t => (string)t!["expr"]!);

    [GeneratedRegex(@"\$\{?(\w+)\}?")]
    private static partial Regex Variable();
}
