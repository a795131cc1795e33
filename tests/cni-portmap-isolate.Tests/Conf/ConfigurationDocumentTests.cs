using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CniIsolator.Cni;
using CniIsolator.Plugin.Configuration;
using CniIsolator.Plugin.Tests.Configuration;

namespace CniIsolator.Plugin.Tests.Conf;

/// <summary>docs/configuration.md and README name the keys that there are, and their defaults.</summary>
public sealed partial class ConfigurationDocumentTests
{
    private static readonly string Root = FindRoot();
    private static readonly string Document = File.ReadAllText(Path.Combine(Root, "docs", "configuration.md"));

    /// <summary>From the first cells of the document's tables: key and default.</summary>
    private static readonly Dictionary<string, string> Described = Row().Matches(Document)
        .Where(row => !row.Groups[1].Value.Contains("CNI_ARGS", StringComparison.Ordinal))
        .SelectMany(row => Code().Matches(row.Groups[1].Value).Select(key => (Key: key.Groups[1].Value, Default: row.Groups[2].Value.Trim())))
        .Where(pair => pair.Key.IndexOfAny(['.', '[']) < 0)
        .ToDictionary(pair => pair.Key, pair => pair.Default);

    public static TheoryData<string> Keys() => [.. Described.Keys.Where(key => key is not ("type" or "dns"))];

    [Theory]
    [MemberData(nameof(Keys))]
    public void A_key_that_is_described_is_read(string key)
    {
        // No key takes a list of an object without members.
        var error = Assert.Throws<CniException>(() => Given.Configuration($"\"{key}\":[{{}}]").CheckAgainstHostRange(default));
        Assert.Contains(key, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_key_is_described()
    {
        var constants = typeof(ConfigurationKeys).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Where(f => f.FieldType == typeof(string) && !f.Name.StartsWith("Default", StringComparison.Ordinal))
            .Select(f => (f.Name, Value: (string)f.GetRawConstantValue()!)).ToList();
        Assert.NotEmpty(constants);
        foreach (var (name, value) in constants)
        {
            Assert.True(
                name.EndsWith("Argument", StringComparison.Ordinal) || name.EndsWith("Label", StringComparison.Ordinal)
                    ? Document.Contains($"`{value}`", StringComparison.Ordinal)
                    : Described.ContainsKey(value),
                $"docs/configuration.md does not describe {value}");
        }
    }

    [Fact]
    public void Every_key_of_a_rate_is_described()
    {
        // The keys that RateSettings puts together; that each of them is read, and no other is described, the test above sees to.
        string[] ofEgress = ["egressRateLimitPerContainer", "egressRatePerCpu", "minimumEgressRateLimit", "maximumEgressRateLimit", "egressCeilLimit", "egressBurst"];
        Assert.All(ofEgress, key => Assert.Contains(key, Described.Keys));
        Assert.All(ofEgress, key => Assert.Contains(key.Replace("egress", "ingress", StringComparison.Ordinal).Replace("Egress", "Ingress", StringComparison.Ordinal), Described.Keys));
        Assert.Equal(
            ofEgress.Length * 2,
            Described.Keys.Count(key => key.Contains("Rate", StringComparison.Ordinal) || key.EndsWith("Burst", StringComparison.Ordinal) || key.EndsWith("CeilLimit", StringComparison.Ordinal)));
    }

    [Fact]
    public void Defaults_are_those_of_the_code()
    {
        Assert.Equal($"`\"{ConfigurationKeys.DefaultPorts}\"`", Described[ConfigurationKeys.Ports]);
        Assert.Equal(ConfigurationKeys.DefaultEphemeralPortsPerContainer.ToString(CultureInfo.InvariantCulture), Described[ConfigurationKeys.EphemeralPortsPerContainer]);
        Assert.Equal($"`{ConfigurationKeys.DefaultStateDir}`", Described[ConfigurationKeys.StateDir]);
        Assert.Equal($"`{ConfigurationKeys.DefaultLogFile}`", Described[ConfigurationKeys.LogFile]);
        Assert.Equal(RateLimits.DefaultMinimum.ToString(CultureInfo.InvariantCulture), Described["minimumEgressRateLimit"]);
        var plain = Given.Configuration();
        Assert.Equal($"`{Json(plain.UniqueFlow)}`", Described[ConfigurationKeys.EgressUniqueFlowPerContainer]);
        Assert.Equal($"`{Json(plain.GcForce)}`", Described[ConfigurationKeys.GcForce]);
        Assert.Equal($"`\"{plain.FlowClassifierParent}\"`", Described[ConfigurationKeys.EgressFlowClassifierParent]);
        Assert.Equal($"`\"{plain.HostLoopback.ToString().ToLowerInvariant()}\"`", Described[ConfigurationKeys.HostLoopback]);
        Assert.Equal("`info`", Described[ConfigurationKeys.LogLevel]);
        Assert.Equal(LogLevel.Information, plain.LogLevel);

        static string Json(bool value) => value ? "true" : "false";
    }

    [Fact]
    public void Examples_are_configurations()
    {
        var examples = Example().Matches(Document).Select(m => JsonNode.Parse(m.Groups[1].Value)!).ToList();
        Assert.Equal(3, examples.Count);
        foreach (var example in examples)
        {
            var plugin = example["plugins"]?[0] ?? example;
            plugin["name"] = "example";
            var configuration = NetworkConfiguration.From(CniConfig.Parse(Encoding.UTF8.GetBytes(plugin.ToJsonString())), CniArgs.Parse(null));
            configuration.CheckAgainstHostRange(new(32768, 60999));
            Assert.All(plugin.AsObject().Where(member => member.Key is not ("name" or "capabilities")), member => Assert.Contains(member.Key, Described.Keys));
        }
    }

    [Fact]
    public void The_table_in_the_README_has_the_same_keys_and_no_others()
    {
        var readme = File.ReadAllText(Path.Combine(Root, "README.md"));
        var named = Code().Matches(readme).Select(m => m.Groups[1].Value).Where(word => LooksLikeAKey().IsMatch(word)).Distinct().ToList();
        Assert.NotEmpty(named);
        Assert.All(named, word => Assert.Contains(word, Described.Keys));
    }

    private static string FindRoot()
    {
        var directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "CniIsolator.sln")))
        {
            directory = Path.GetDirectoryName(directory)!;
        }

        return directory;
    }

    [GeneratedRegex(@"^\| (`[^|]*) \| [^|]* \| ([^|]*) \|", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex Code();

    [GeneratedRegex("```json\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Example();

    [GeneratedRegex("^(egress|ingress|minimum|maximum|ephemeral)[A-Z][A-Za-z]+$")]
    private static partial Regex LooksLikeAKey();
}
