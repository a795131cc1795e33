using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Conf.Tests;

/// <summary>What promtool says of the files for Prometheus, and what it does not look at.</summary>
public sealed partial class PrometheusTests
{
    private const string Rules = "prometheus/portmap.rules.yml";
    private const string RuleTests = "prometheus/portmap.rules.test.yml";

    public static TheoryData<string> Alerts => [.. Alert().Matches(ConfFile.Read(Rules)).Select(m => m.Groups[1].Value)];

    [Theory]
    [InlineData("check", "rules", Rules)]
    [InlineData("test", "rules", RuleTests)]
    [InlineData("check", "config", "prometheus/scrape.yml")]
    public void Promtool_finds_no_fault(string verb, string what, string file)
    {
        CommandResult result = CommandResult.Run(Tools.Promtool, verb, what, ConfFile.PathOf(file));
        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.Contains("SUCCESS", result.Output, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Alerts))]
    public void Alerts_tell_what_to_do(string alert)
    {
        string text = Block(alert);
        Assert.Matches(@"\n +severity: (critical|warning|info)\n", text);
        Assert.Matches(@"\n +summary: ""[^""]+""\n", text);
        Assert.Matches(@"\n +description: >-\n", text);
        Assert.Matches("`(cni-portmap-isolate|systemctl|journalctl|promtool|curl) ", text);
        if (!alert.EndsWith("Absent", StringComparison.Ordinal))
        {
            Assert.Contains("{{ $labels.instance }}", text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Alerts))]
    public void Alerts_have_a_test_that_fires_and_one_that_does_not(string alert)
    {
        string tests = ConfFile.Read(RuleTests);
        Assert.Contains($"  - name: {alert} fires\n", tests, StringComparison.Ordinal);
        Assert.Contains($"ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"", tests, StringComparison.Ordinal);
        Assert.Contains($"  - name: {alert} does not fire\n", tests, StringComparison.Ordinal);
    }

    [Fact]
    public void Commands_of_alerts_exist()
    {
        string readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        List<string> used = [.. Subcommand().Matches(ConfFile.Read(Rules)).Select(m => m.Groups[1].Value).Distinct()];
        Assert.NotEmpty(used);
        Assert.All(used, one => Assert.Contains($"\n    cni-portmap-isolate {one} ", readme, StringComparison.Ordinal));
    }

    [Fact]
    public void The_job_is_the_one_that_alerts_look_for()
    {
        Assert.Contains("job_name: cni-portmap\n", ConfFile.Read("prometheus/scrape.yml"), StringComparison.Ordinal);
        Assert.Contains("up{job=\"cni-portmap\"} == 0", ConfFile.Read(Rules), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Rules)]
    [InlineData(RuleTests)]
    public void Metrics_exist(string file) => ExporterMetrics.AssertKnown(file, ConfFile.Read(file));

    /// <summary>From an alert's name to the next rule or group.</summary>
    private static string Block(string alert)
    {
        string rules = ConfFile.Read(Rules);
        int begin = rules.IndexOf($"- alert: {alert}\n", StringComparison.Ordinal);
        int end = rules.IndexOf("\n      - alert: ", begin, StringComparison.Ordinal);
        int group = rules.IndexOf("\n  - name: ", begin, StringComparison.Ordinal);
        return rules[begin..(end < 0 ? rules.Length : group >= 0 && group < end ? group : end)];
    }

    [GeneratedRegex(@"^ +- alert: (\w+)$", RegexOptions.Multiline)]
    private static partial Regex Alert();

    [GeneratedRegex(@"`cni-portmap-isolate (\w+)")]
    private static partial Regex Subcommand();
}
