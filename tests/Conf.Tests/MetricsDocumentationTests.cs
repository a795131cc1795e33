using System.Buffers;
using System.Text.Json;
using System.Text.RegularExpressions;
using CniIsolator.Exporter.Formats;
using CniIsolator.Testbed;

namespace CniIsolator.Conf.Tests;

/// <summary>What the documentation says of metrics and fields, against what the exporter writes.</summary>
public sealed partial class MetricsDocumentationTests
{
    private const string Document = "docs/metrics.md";

    [Fact]
    public void Every_metric_is_described_with_its_type()
    {
        var described = Row().Matches(Read(Document)).Select(m => (Name: m.Groups[1].Value, Type: m.Groups[2].Value)).ToList();
        Assert.Equal(ExporterMetrics.Types.Select(pair => $"{pair.Key} {pair.Value}").Order(), described.Select(row => $"{row.Name} {row.Type}").Order());
    }

    [Theory]
    [InlineData(Document)]
    [InlineData("README.md")]
    [InlineData("docs/architecture.md")]
    [InlineData("conf/README.md")]
    public void Metrics_that_are_named_exist(string file)
    {
        // One that ends in an underscore stands for all that begin like it.
        var unknown = Metric().Matches(Read(file)).Select(m => m.Value).Distinct()
            .Where(name => !ExporterMetrics.Names.Contains(name) && !(name.EndsWith('_') && ExporterMetrics.Names.Any(known => known.StartsWith(name, StringComparison.Ordinal))));
        Assert.Empty(unknown);
    }

    [Fact]
    public void Queries_are_PromQL()
    {
        string text = Read(Document);
        string section = text[text.IndexOf("## PromQL\n", StringComparison.Ordinal)..text.IndexOf("## /monitor/statistics\n", StringComparison.Ordinal)];
        List<string> queries =
        [
            .. Block().Matches(section).Select(m => m.Value),
            .. FirstCell().Matches(section).SelectMany(row => Code().Matches(row.Groups[1].Value)).Select(m => m.Groups[1].Value),
        ];
        Assert.NotEmpty(queries);
        string file = Path.GetTempFileName();
        try
        {
            // JSON is YAML.
            var rules = queries.Select((query, number) => new { record = $"query:{number}", expr = query });
            File.WriteAllText(file, JsonSerializer.Serialize(new { groups = new[] { new { name = "queries", rules } } }));
            CommandResult result = CommandResult.Run(Tools.Promtool, "check", "rules", file);
            Assert.True(result.ExitCode == 0, result.ToString());
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void Every_field_for_Mesos_is_described() => AssertFields("## /monitor/statistics", Written(body => MesosStatistics.Write(body, ExporterMetrics.Everything)));

    [Fact]
    public void Every_field_for_the_page_is_described()
    {
        var sample = ExporterMetrics.Everything;
        sample = sample with { Fault = "unreadable", Containers = [.. sample.Containers.Select(container => container with { Warnings = ["something"] })] };
        AssertFields("## /containers.json", Written(body => ContainersJson.Write(body, sample, "1.2.3")));
    }

    /// <summary>Asserts that the tables of a section name these fields and no others.</summary>
    private static void AssertFields(string section, SortedSet<string> written)
    {
        string text = Read(Document);
        int begin = text.IndexOf(section + "\n", StringComparison.Ordinal);
        int end = text.IndexOf("\n## ", begin, StringComparison.Ordinal);
        var described = FirstCell().Matches(text[begin..end]).SelectMany(row => Code().Matches(row.Groups[1].Value)).Select(m => m.Groups[1].Value).ToList();
        Assert.NotEmpty(described);
        Assert.DoesNotContain(written, field => !described.Any(pattern => Fits(field, pattern)));

        // What holds other fields may have a row of its own.
        Assert.DoesNotContain(described, pattern => !written.Any(field => Fits(field, pattern) || Fits(field, pattern + ".*")));
        Assert.Equal(described.Distinct(), described);
    }

    private static bool Fits(string field, string pattern)
    {
        string[] names = field.Split('.');
        string[] wanted = pattern.Split('.');
        return names.Length == wanted.Length && names.Zip(wanted).All(pair => pair.Second == "*" || pair.First == pair.Second);
    }

    private static SortedSet<string> Written(Action<IBufferWriter<byte>> write)
    {
        var body = new ArrayBufferWriter<byte>();
        write(body);
        using var document = JsonDocument.Parse(body.WrittenMemory);
        var fields = new SortedSet<string>(StringComparer.Ordinal);
        Collect(document.RootElement, "", fields);
        return fields;
    }

    /// <summary>The names down to each value that has no parts; elements of an array have the array's name.</summary>
    private static void Collect(JsonElement element, string path, SortedSet<string> fields)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var property in element.EnumerateObject())
                {
                    Collect(property.Value, path.Length == 0 ? property.Name : $"{path}.{property.Name}", fields);
                }

                break;
            case JsonValueKind.Array:
                foreach (var one in element.EnumerateArray())
                {
                    Collect(one, path, fields);
                }

                break;
            case JsonValueKind.Null:
                break;
            default:
                fields.Add(path);
                break;
        }
    }

    private static string Read(string file) => File.ReadAllText(Path.Combine(Repository.Root, file));

    [GeneratedRegex(@"^\| `(portmap_\w+)` \| (\w+) \|", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex(@"\bportmap_[a-z0-9_]+")]
    private static partial Regex Metric();

    [GeneratedRegex(@"^\| (`[^|]+) \|", RegexOptions.Multiline)]
    private static partial Regex FirstCell();

    [GeneratedRegex(@"(?:^    .+\n)+", RegexOptions.Multiline)]
    private static partial Regex Block();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();
}
