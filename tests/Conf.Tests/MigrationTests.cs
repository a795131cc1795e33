using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Conf.Tests;

/// <summary>docs/migrating-from-mesos.md has every flag of the isolator's, and what it sends a reader to is there.</summary>
public sealed partial class MigrationTests
{
    // Of network/port_mapping, of what stands beside it, and of network/cni which takes its place. Source: Mesos' src/slave/flags.cpp and src/master/flags.cpp.
    private static readonly string[] Flags =
    [
        "ephemeral_ports_per_container", "eth0_name", "lo_name", "egress_rate_limit_per_container", "egress_rate_per_cpu", "minimum_egress_rate_limit",
        "maximum_egress_rate_limit", "egress_ceil_limit", "egress_burst", "egress_unique_flow_per_container", "egress_flow_classifier_parent",
        "ingress_rate_limit_per_container", "ingress_rate_per_cpu", "minimum_ingress_rate_limit", "maximum_ingress_rate_limit", "ingress_ceil_limit", "ingress_burst",
        "ingress_isolate_existing_containers", "network_link_speed", "network_enable_socket_statistics_summary", "network_enable_socket_statistics_details",
        "network_enable_snmp_statistics", "network_enable_rate_statistics", "network_rate_statistics_window", "network_rate_statistics_interval",
        "isolation", "resources", "launcher_dir", "max_executors_per_agent", "container_ports_watch_interval", "check_agent_port_range_only", "enforce_container_ports",
        "container_ports_isolated_range", "network_cni_plugins_dir", "network_cni_config_dir", "network_cni_root_dir_persist", "network_cni_metrics",
    ];

    private static readonly string Text = File.ReadAllText(Path.Combine(Repository.Root, "docs", "migrating-from-mesos.md"));

    private static readonly string Source = string.Concat(
        Directory.GetFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories).Where(p => !p.Contains("/obj/")).Select(File.ReadAllText));

    [Fact]
    public void No_flag_is_missing_and_each_has_a_row() =>
        Assert.All(Flags, flag => Assert.Contains(Text.Split('\n'), line => line.StartsWith("| ", StringComparison.Ordinal) && line.Split('|')[1].Contains($"`--{flag}`", StringComparison.Ordinal)));

    [Fact]
    public void No_flag_is_invented() => Assert.Empty(MesosFlag().Matches(Text).Select(m => m.Groups[1].Value).Except(Flags));

    [Fact]
    public void Every_key_and_option_of_ours_exists()
    {
        List<string> keys = [.. Key().Matches(Text).Select(m => m.Groups[1].Value).Distinct()];
        Assert.InRange(keys.Count, 15, 40);
        Assert.All(keys, key => Assert.True(Known(key), key));
        Assert.All(Option().Matches(Text).Select(m => m.Groups[1].Value), option => Assert.Contains($"\"{option}\"", Source, StringComparison.Ordinal));
    }

    /// <summary>Those of rates are put together from a direction and the rest.</summary>
    private static bool Known(string key) => Source.Contains($"\"{key}\"", StringComparison.Ordinal)
        || (Direction().Match(key) is { Success: true } match
            && (Source.Contains($"\"{match.Groups[2].Value}\"", StringComparison.Ordinal)
                || (match.Groups[1].Value.Length > 0 && Source.Contains($"\"{match.Groups[1].Value}{{capitalized}}{match.Groups[2].Value}\"", StringComparison.Ordinal))));

    // A key stands in backquotes alone, in camel case.
    [GeneratedRegex("`([a-z]+[A-Z][A-Za-z]+)`")]
    private static partial Regex Key();

    [GeneratedRegex("^(minimum|maximum|)(?:[Ee]gress|[Ii]ngress)(.+)$")]
    private static partial Regex Direction();

    [GeneratedRegex("`--([a-z0-9]+(?:_[a-z0-9]+)+|isolation|resources)\\b")]
    private static partial Regex MesosFlag();

    // Ours have dashes.
    [GeneratedRegex("`(--[a-z]+(?:-[a-z]+)+)\\b")]
    private static partial Regex Option();
}
