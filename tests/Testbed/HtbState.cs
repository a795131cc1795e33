using System.Globalization;
using System.Text.RegularExpressions;

namespace CniIsolator.Testbed;

/// <summary>A class of an htb, as `tc -s class show` tells it: tc is the second opinion on what the plugin's own netlink says.</summary>
/// <param name="Handle">Such as `1:1`.</param>
/// <param name="Rate">Bytes per second, as exact as tc prints it: whole units of which there are more than 1000.</param>
/// <param name="Ceil">Likewise.</param>
/// <param name="Burst">Bytes, rounded to the kernel's ticks and to tc's units.</param>
/// <param name="CeilBurst">Likewise.</param>
/// <param name="Quantum">Bytes.</param>
/// <param name="Sent">Bytes that have passed, Ethernet headers included.</param>
/// <param name="Dropped">Packets that have not.</param>
/// <param name="Waiting">Packets in its queue.</param>
public sealed record HtbClassState(
    string Handle, long Rate, long Ceil, long Burst, long CeilBurst, long Quantum, long Sent, long Dropped, long Waiting);

/// <summary>The limit on a device, or that there is none.</summary>
/// <param name="Qdisc">The root's line, `qdisc htb 1: root …`; null where the root is no htb.</param>
/// <param name="Classes">All its classes.</param>
public sealed partial record HtbState(string? Qdisc, IReadOnlyList<HtbClassState> Classes)
{
    /// <summary>Its only class.</summary>
    public HtbClassState Class => Classes.Single();

    /// <summary>Reads it from the kernel.</summary>
    public static HtbState Read(Namespace place, string device)
    {
        ArgumentNullException.ThrowIfNull(place);
        string? root = place.Tc($"-d qdisc show dev {device}").Split('\n').FirstOrDefault(line => line.StartsWith("qdisc htb ", StringComparison.Ordinal));
        return root is null
            ? new HtbState(null, [])
            : new HtbState(root.Trim(), [.. Shown().Matches(place.Tc($"-d -s class show dev {device}")).Select(Parse)]);
    }

    private static HtbClassState Parse(Match shown)
    {
        return new HtbClassState(
            shown.Groups["handle"].Value,
            Bits("rate") / 8,
            Bits("ceil") / 8,
            Bytes("burst"),
            Bytes("cburst"),
            Number("quantum"),
            Number("sent"),
            Number("dropped"),
            Number("waiting"));

        long Number(string name) => long.Parse(shown.Groups[name].Value, CultureInfo.InvariantCulture);

        long Bits(string name)
        {
            Match parts = Amount().Match(shown.Groups[name].Value);
            long unit = parts.Groups[2].Value switch { "bit" => 1, "Kbit" => 1_000, "Mbit" => 1_000_000, "Gbit" => 1_000_000_000, _ => 1_000_000_000_000 };
            return unit * long.Parse(parts.Groups[1].Value, CultureInfo.InvariantCulture);
        }

        long Bytes(string name)
        {
            Match parts = Amount().Match(shown.Groups[name].Value);
            return long.Parse(parts.Groups[1].Value, CultureInfo.InvariantCulture) << parts.Groups[2].Value switch { "b" => 0, "Kb" => 10, _ => 20 };
        }
    }

    [GeneratedRegex(
        @"class htb (?<handle>\S+) .*?quantum (?<quantum>\d+)b? rate (?<rate>\S+) ceil (?<ceil>\S+) .*?burst (?<burst>[^/]+)/\S+ .*?cburst (?<cburst>[^/]+)/"
        + @".*?Sent (?<sent>\d+) bytes .*?dropped (?<dropped>\d+),.*?backlog \S+ (?<waiting>\d+)p",
        RegexOptions.Singleline)]
    private static partial Regex Shown();

    [GeneratedRegex(@"^(\d+)(\D+)$")]
    private static partial Regex Amount();
}
