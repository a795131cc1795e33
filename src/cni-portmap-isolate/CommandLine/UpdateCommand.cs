using System.CommandLine;
using System.CommandLine.Parsing;
using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Plugin.Attaching;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.CommandLine;

/// <summary>"update": other ports or limits for a container that runs.</summary>
internal static class UpdateCommand
{
    /// <param name="id">The argument with the container's id.</param>
    /// <param name="stateDir">The option with the store's directory.</param>
    /// <param name="run">Runs an action, and turns its failure into an exit code.</param>
    public static Command Build(Argument<string> id, Option<string> stateDir, Func<Func<int>, int> run)
    {
        var ports = new Option<PortClaim[]?>("--ports")
        {
            Description = "All fixed ports that the container is to have: ranges joined by commas, each for TCP and UDP or, with /tcp, /udp or /sctp behind it, for one protocol; \"none\" for none",
            HelpName = "RANGES",
            CustomParser = ParsePorts,
        };
        var egress = Rate("--egress-rate", "sends");
        var ingress = Rate("--ingress-rate", "receives");
        var update = new Command("update", "Change ports or limits of a container that runs, all or nothing") { id, ports, egress, ingress, stateDir };
        update.Validators.Add(result =>
        {
            if (result.GetResult(ports) is null && result.GetResult(egress) is null && result.GetResult(ingress) is null)
            {
                result.AddError("update: nothing to change; name at least one of --ports, --egress-rate and --ingress-rate");
            }
        });
        update.SetAction(result => run(() =>
        {
            using var session = new Session(result.GetValue(stateDir)!);

            // An array option that is not there is an empty array, which would take every port away.
            var claims = result.GetResult(ports) is null ? null : result.GetValue(ports);
            var request = new UpdateRequest(claims, result.GetValue(egress), result.GetValue(ingress));
            var updated = new AttachmentUpdate(session, request).Apply(Find(session, result.GetValue(id)!));
            AttachmentTable.WriteDetails(Console.Out, [updated], AttachmentWarnings.Collect([updated]));
            return 0;
        }));
        return update;
    }

    private static Option<ulong?> Rate(string name, string does) => new(name)
    {
        Description = $"What the container {does} at most, bytes per second: a number, or one with B, KB, MB, GB or TB (1 KB = 1024 B); \"none\" or 0 for no limit",
        HelpName = "RATE|none",
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (IsNone(text))
            {
                return 0;
            }

            if (ByteRate.TryParse(text, out var rate))
            {
                return rate;
            }

            result.AddError($"{name}: \"{text}\" is no rate: a whole number of bytes per second, or one with B, KB, MB, GB or TB, or none");
            return null;
        },
    };

    private static PortClaim[]? ParsePorts(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        var wanted = new SortedDictionary<TransportProtocol, List<PortRange>>();
        foreach (var element in IsNone(text) ? [] : text.Split(','))
        {
            if (!TryParseElement(element.Trim(), out var range, out var protocols))
            {
                result.AddError($"--ports: \"{element}\" is no port or range of ports, for instance 31005, 31010-31019 or 31005/udp");
                return null;
            }

            foreach (var protocol in protocols)
            {
                if (!wanted.TryGetValue(protocol, out var ranges))
                {
                    wanted.Add(protocol, ranges = []);
                }

                ranges.Add(range);
            }
        }

        return [.. wanted.SelectMany(p => PortSet.From(p.Value).Ranges.Select(range => new PortClaim(p.Key, range)))];
    }

    private static bool TryParseElement(string text, out PortRange range, out TransportProtocol[] protocols)
    {
        var parts = text.Split('/');
        protocols = parts.Length == 1
            ? [TransportProtocol.Tcp, TransportProtocol.Udp]
            : parts[1].ToLowerInvariant() switch
            {
                "tcp" => [TransportProtocol.Tcp],
                "udp" => [TransportProtocol.Udp],
                "sctp" => [TransportProtocol.Sctp],
                _ => [],
            };
        range = default;
        try
        {
            range = PortRange.Parse(parts[0]);
            return parts.Length <= 2 && protocols.Length > 0 && range.Begin > 0;
        }
        catch (FormatException)
        {
            return false;
        }
    }

    private static bool IsNone(string text) => text.Equals("none", StringComparison.OrdinalIgnoreCase);

    private static AttachmentKey Find(Session session, string id)
    {
        var found = session.Store.ReadAll().Attachments.Where(a => a.ContainerId == id).Select(a => a.Key).ToList();
        return found switch
        {
            [var only] => only,
            [] => throw new CniException(CniErrorCode.UnknownContainer, $"no attachment of container \"{id}\""),
            _ => throw new CniException(
                CniErrorCode.UnsupportedField, $"container \"{id}\" has {found.Count} attachments", string.Join(", ", found)),
        };
    }
}
