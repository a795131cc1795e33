using System.Text.Json;
using System.Text.RegularExpressions;

namespace CniIsolator.Testbed;

/// <summary>
/// Everything in a namespace that a plugin may change, as canonical text: one line for each link, address, route, qdisc, class, filter
/// and sysctl. Counters, indexes that the kernel hands out in passing, and what settles by itself are left out, so two snapshots of the
/// same state are equal.
/// </summary>
public sealed partial class KernelState : IEquatable<KernelState>
{
    private static readonly string[] Volatile = ["operstate", "stats", "stats64", "valid_life_time", "preferred_life_time"];

    private static readonly string[] InterfaceSysctls = ["accept_local", "route_localnet", "rp_filter", "forwarding", "arp_ignore", "arp_announce", "arp_filter"];

    private static readonly string[] Sysctls =
    [
        "net/ipv4/ip_forward", "net/ipv4/ip_local_port_range", "net/ipv4/ip_local_reserved_ports", "net/ipv4/ip_unprivileged_port_start",
        "net/ipv6/conf/all/disable_ipv6", "net/ipv6/conf/all/forwarding",
    ];

    private readonly string[] _lines;

    private KernelState(string[] lines) => _lines = lines;

    /// <summary>The whole text.</summary>
    public string Text => string.Join('\n', _lines);

    /// <summary>Reads the state of a namespace, once its IPv6 addresses are no more tentative.</summary>
    public static KernelState Snapshot(Namespace place)
    {
        ArgumentNullException.ThrowIfNull(place);
        string addresses = place.Ip("-d -j address show");
        Wait.For(() => !(addresses = place.Ip("-d -j address show")).Contains("\"tentative\":true", StringComparison.Ordinal), TimeSpan.FromSeconds(5));
        List<string> lines = [];
        List<string> devices = [];
        using (JsonDocument links = JsonDocument.Parse(place.Ip("-d -j link show")))
        {
            foreach (JsonElement link in links.RootElement.EnumerateArray())
            {
                string name = link.GetProperty("ifname").GetString()!;
                devices.Add(name);
                lines.Add($"link {name} {Canonical(link)}");
            }
        }

        using (JsonDocument parsed = JsonDocument.Parse(addresses))
        {
            lines.AddRange(
                from link in parsed.RootElement.EnumerateArray()
                from address in link.GetProperty("addr_info").EnumerateArray()
                select $"address {link.GetProperty("ifname").GetString()} {Canonical(address)}");
        }

        foreach ((string family, string kind) in new[] { ("-4", "route"), ("-6", "route"), ("-4", "rule"), ("-6", "rule") })
        {
            string shown = place.Ip($"{family} -d -j {kind} show{(kind == "route" ? " table all" : "")}");
            using JsonDocument parsed = JsonDocument.Parse(shown.Length == 0 ? "[]" : shown);
            // The kernel's tables have no order that means anything beyond their keys.
            lines.AddRange(parsed.RootElement.EnumerateArray().Select(one => $"{kind}{family} {Canonical(one)}").Order(StringComparer.Ordinal));
        }

        AddTrafficControl(place, devices, lines);
        lines.AddRange(ReadSysctls(place));
        return new KernelState([.. lines]);
    }

    /// <summary>What a later state has lost (-) and gained (+); empty if nothing.</summary>
    public string Diff(KernelState later)
    {
        ArgumentNullException.ThrowIfNull(later);
        List<string> changes = [.. Missing(_lines, later._lines).Select(line => "- " + line), .. Missing(later._lines, _lines).Select(line => "+ " + line)];
        return changes.Count == 0 && !Equals(later) ? "the same lines in another order" : string.Join('\n', changes);
    }

    /// <inheritdoc/>
    public bool Equals(KernelState? other) => other is not null && _lines.AsSpan().SequenceEqual(other._lines);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as KernelState);

    /// <inheritdoc/>
    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    /// <inheritdoc/>
    public override string ToString() => Text;

    /// <summary>
    /// tc's text rather than its JSON: the JSON of u32 leaves half of a filter out. Only a device that has a classifier's hook is asked for filters.
    /// </summary>
    private static void AddTrafficControl(Namespace place, List<string> devices, List<string> lines)
    {
        List<string> qdiscs = Records(place.Tc("-d qdisc show"), "qdisc ");
        lines.AddRange(qdiscs);
        foreach (string device in devices)
        {
            List<string> here = [.. qdiscs.Where(qdisc => qdisc.Contains($" dev {device} ", StringComparison.Ordinal))];
            bool clsact = here.Exists(qdisc => qdisc.StartsWith("qdisc clsact", StringComparison.Ordinal));
            if (clsact || here.Exists(qdisc => qdisc.StartsWith("qdisc ingress", StringComparison.Ordinal)))
            {
                lines.AddRange(Filters(place, device, "ingress"));
            }

            if (clsact)
            {
                lines.AddRange(Filters(place, device, "egress"));
            }

            // A qdisc that has a handle of its own may have classes and filters; the default ones have 0:.
            if (here.Exists(qdisc => !qdisc.Contains(" 0: ", StringComparison.Ordinal) && !qdisc.Contains(" ffff: ", StringComparison.Ordinal)))
            {
                lines.AddRange(Records(place.Tc($"-d class show dev {device}"), "class ").Select(one => $"class dev {device} {one}"));
                lines.AddRange(Filters(place, device, "root"));
            }
        }
    }

    private static IEnumerable<string> Filters(Namespace place, string device, string hook) =>
        Records(place.Tc($"-d filter show dev {device} {hook}"), "filter ").Select(one => $"filter dev {device} {hook}{one["filter".Length..]}");

    /// <summary>Joins the lines of each record, and leaves out what differs without a difference.</summary>
    private static List<string> Records(string text, string start)
    {
        List<string> records = [];
        foreach (string line in text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0))
        {
            if (line.StartsWith(start, StringComparison.Ordinal) || records.Count == 0)
            {
                records.Add(line);
            }
            else
            {
                records[^1] += " " + line;
            }
        }

        return [.. records.Select(record => Passing().Replace(record, "").TrimEnd())];
    }

    private static List<string> ReadSysctls(Namespace place) => place.Run(() =>
    {
        List<string> lines = [];
        foreach (string name in Sysctls.Where(name => File.Exists($"/proc/sys/{name}")))
        {
            lines.Add($"sysctl {name} {Value(name)}");
        }

        foreach (string scope in Directory.EnumerateDirectories("/proc/sys/net/ipv4/conf").Order(StringComparer.Ordinal))
        {
            string prefix = $"net/ipv4/conf/{Path.GetFileName(scope)}";
            lines.AddRange(InterfaceSysctls.Select(name => $"sysctl {prefix}/{name} {Value($"{prefix}/{name}")}"));
        }

        return lines;
    });

    private static string Value(string name) => File.ReadAllText($"/proc/sys/{name}").Trim();

    /// <summary>That a route's link has no carrier is told by a flag, some time after the link has or lacks it.</summary>
    private static string Canonical(JsonElement json) => LinkDown().Replace(string.Join(' ', json.EnumerateObject()
        .Where(member => !Volatile.Contains(member.Name)).Select(member => $"{member.Name}={member.Value.GetRawText().Trim('"')}")), "");

    private static IEnumerable<string> Missing(string[] lines, string[] from)
    {
        Dictionary<string, int> counts = from.GroupBy(line => line, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Count(), StringComparer.Ordinal);
        foreach (string line in lines)
        {
            if (counts.TryGetValue(line, out int count) && count > 0)
            {
                counts[line] = count - 1;
            }
            else
            {
                yield return line;
            }
        }
    }

    [GeneratedRegex(""","linkdown"|"linkdown",?""")]
    private static partial Regex LinkDown();

    [GeneratedRegex(@"\bindex \d+ |\brefcnt \d+ |\bdirect_packets_stat \d+ |\b(?:installed|used|firstused) \d+ sec\b ?")]
    private static partial Regex Passing();
}
