using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace CniIsolator.FullKernel.Tests;

/// <summary>One qdisc, as `tc -s -j qdisc show` has it.</summary>
/// <param name="Kind">Its name, such as `htb`.</param>
/// <param name="Handle">Its handle, with the colon.</param>
/// <param name="Parent">`root`, or the class that it hangs on.</param>
/// <param name="Json">Everything else: counters on top, parameters under `options`.</param>
public sealed record Qdisc(string Kind, string Handle, string Parent, JsonElement Json)
{
    /// <summary>A counter, such as `packets`.</summary>
    public long Counter(string name) => Json.GetProperty(name).GetInt64();

    /// <summary>A parameter as text, whatever its type; empty if it is not there.</summary>
    public string Option(string name) => Json.GetProperty("options").TryGetProperty(name, out JsonElement value) ? value.ToString() : "";

    /// <inheritdoc/>
    public override string ToString() => $"{Kind} {Handle} {Parent}";
}

/// <summary>A class of HTB.</summary>
/// <param name="Id">Its number, such as `1:1`.</param>
/// <param name="Parent">`root`, or the class above.</param>
/// <param name="Leaf">The handle of the qdisc below; empty for the kernel's own.</param>
/// <param name="Rate">Bytes per second.</param>
/// <param name="Ceil">Bytes per second.</param>
/// <param name="Bytes">What has passed it.</param>
public sealed record HtbClass(string Id, string Parent, string Leaf, long Rate, long Ceil, long Bytes);

/// <summary>What the kernel has on an interface, in the words of `tc`.</summary>
public static partial class TrafficControl
{
    /// <summary>The handle of the fq_codel with one flow per container.</summary>
    public const string Flows = "706d:";

    /// <summary>The qdiscs of an interface without clsact, which the filters hang on, and without those that every interface has.</summary>
    public static IReadOnlyList<Qdisc> Qdiscs(Namespace place, string device)
    {
        ArgumentNullException.ThrowIfNull(place);
        using JsonDocument shown = JsonDocument.Parse(place.Tc($"-s -j qdisc show dev {device}"));
        return [.. from one in shown.RootElement.EnumerateArray()
                   let kind = one.GetProperty("kind").GetString()!
                   where kind is not ("clsact" or "noqueue")
                   let parent = one.TryGetProperty("root", out _) ? "root" : one.GetProperty("parent").GetString()!
                   select new Qdisc(kind, one.GetProperty("handle").GetString()!, parent, one.Clone())];
    }

    /// <summary>The HTB classes of an interface. From text: tc has no JSON for them.</summary>
    public static IReadOnlyList<HtbClass> HtbClasses(Namespace place, string device)
    {
        ArgumentNullException.ThrowIfNull(place);
        return [.. ClassLine().Matches(place.Tc($"-s class show dev {device}")).Select(line => new HtbClass(
            line.Groups["id"].Value,
            line.Groups["parent"].Value,
            line.Groups["leaf"].Value,
            BytesPerSecond(line.Groups["rate"].Value),
            BytesPerSecond(line.Groups["ceil"].Value),
            long.Parse(line.Groups["bytes"].Value, CultureInfo.InvariantCulture)))];
    }

    /// <summary>
    /// How many packets the filters have put into each flow so far, by its number; 0 for a flow that a filter names but no packet has taken. From
    /// text: the JSON of u32 has the same key twice.
    /// </summary>
    public static IReadOnlyDictionary<int, long> FlowMatches(Namespace host, string master)
    {
        ArgumentNullException.ThrowIfNull(host);
        return FilterLine().Matches(host.Tc($"-s filter show dev {master} parent {Flows}"))
            .GroupBy(line => int.Parse(line.Groups["flow"].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture))
            .ToDictionary(flow => flow.Key, flow => flow.Sum(line => long.Parse(line.Groups["matches"].Value, CultureInfo.InvariantCulture)));
    }

    /// <summary>The flows in which packets wait just now: fq_codel shows these and, until it looks at them again, some that have run empty.</summary>
    public static IReadOnlyList<int> WaitingFlows(Namespace host, string master)
    {
        ArgumentNullException.ThrowIfNull(host);
        return [.. FlowLine().Matches(host.Tc($"-s class show dev {master}"))
            .Where(line => line.Groups["waiting"].Value != "0")
            .Select(line => int.Parse(line.Groups["flow"].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture)).Order()];
    }

    /// <summary>tc says `8Mbit`, in steps of 1000 bits.</summary>
    private static long BytesPerSecond(string rate)
    {
        Match parts = Rate().Match(rate);
        double scale = parts.Groups["unit"].Value switch
        {
            "" => 1,
            "K" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            string unit => throw new FormatException($"a rate in {unit}bit: {rate}"),
        };
        return (long)Math.Round(double.Parse(parts.Groups["number"].Value, CultureInfo.InvariantCulture) * scale / 8);
    }

    [GeneratedRegex(@"^class htb (?<id>\S+) (?:parent )?(?<parent>\S+) (?:leaf (?<leaf>\S+) )?.*?rate (?<rate>\S+) ceil (?<ceil>\S+).*\n\s*Sent (?<bytes>\d+) bytes", RegexOptions.Multiline)]
    private static partial Regex ClassLine();

    [GeneratedRegex(@"flowid 706d:(?<flow>[0-9a-f]+) .*\(rule hit \d+ success (?<matches>\d+)\)")]
    private static partial Regex FilterLine();

    [GeneratedRegex(@"^class fq_codel 706d:(?<flow>[0-9a-f]+) .*\n.*\n\s*backlog \S+ (?<waiting>\d+)p", RegexOptions.Multiline)]
    private static partial Regex FlowLine();

    [GeneratedRegex(@"^(?<number>[0-9.]+)(?<unit>\D?)bit$")]
    private static partial Regex Rate();
}
