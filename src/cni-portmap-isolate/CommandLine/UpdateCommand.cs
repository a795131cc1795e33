using System.CommandLine;
using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Lifecycle;
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
        var ports = new Option<string>("--ports")
        {
            Description = "All fixed ports that the container is to have: ranges joined by commas, each for TCP and UDP or, with /tcp, /udp or /sctp behind it, for one protocol; \"none\" for none",
            HelpName = "RANGES",
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
        ports.Validators.Add(result => ParsePorts(result.Tokens.Count == 0 ? "" : result.Tokens[0].Value, result.AddError));
        update.SetAction(result => run(() =>
        {
            using var session = new Session(result.GetValue(stateDir)!);
            var request = new UpdateRequest(
                result.GetValue(ports) is { } wanted ? ParsePorts(wanted, _ => { }) : null,
                Change(ParseRate(result.GetValue(egress))),
                Change(ParseRate(result.GetValue(ingress))));
            var updated = new AttachmentUpdate(session, request).Apply(Find(session, result.GetValue(id)!));
            AttachmentTable.WriteDetails(Console.Out, [updated], AttachmentHealth.Look(session.Store.StateDir, [updated]));
            return 0;
        }));
        return update;
    }

    private static Option<string> Rate(string name, string does)
    {
        var option = new Option<string>(name)
        {
            Description = $"What the container {does} at most, bytes per second: a number, or one with B, KB, MB, GB or TB (1 KB = 1024 B); \"none\" or 0 for no limit",
            HelpName = "RATE|none",
        };
        option.Validators.Add(result =>
        {
            var text = result.Tokens.Count == 0 ? "" : result.Tokens[0].Value;
            if (ParseRate(text) is null)
            {
                result.AddError($"{name}: \"{text}\" is no rate: a whole number of bytes per second, or one with B, KB, MB, GB or TB, or none");
            }
        });
        return option;
    }

    private static LimitChange? Change(ulong? rate) => rate is { } wanted ? (current, frame) => RateLimits.Replace(current, wanted, frame) : null;

    private static ulong? ParseRate(string? text) =>
        text is null ? null : IsNone(text) ? 0 : ByteRate.TryParse(text, out var rate) ? rate : null;

    private static PortClaim[] ParsePorts(string text, Action<string> fault)
    {
        var wanted = new List<PortClaim>();
        foreach (var element in IsNone(text) ? [] : text.Split(','))
        {
            if (!TryParseElement(element.Trim(), out var range, out var protocols))
            {
                fault($"--ports: \"{element}\" is no port or range of ports, for instance 31005, 31010-31019 or 31005/udp");
                return [];
            }

            foreach (var protocol in protocols)
            {
                wanted.Add(new PortClaim(protocol, range));
            }
        }

        // As ADD writes them: by protocol, adjacent ones merged.
        var claims = new List<PortClaim>();
        foreach (var protocol in (TransportProtocol[])[TransportProtocol.Tcp, TransportProtocol.Udp, TransportProtocol.Sctp])
        {
            var ranges = PortSet.From(wanted.FindAll(c => c.Protocol == protocol).ConvertAll(c => c.Range)).Ranges;
            claims.AddRange([.. ranges.Select(range => new PortClaim(protocol, range))]);
        }

        return [.. claims];
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
        var found = session.Store.ReadAll().Attachments.Where(a => a.Key.ContainerId == id).Select(a => a.Key).ToList();
        return found switch
        {
            [var only] => only,
            [] => throw new CniException(CniErrorCode.UnknownContainer, $"no attachment of container \"{id}\""),
            _ => throw new CniException(
                CniErrorCode.UnsupportedField, $"container \"{id}\" has {found.Count} attachments", string.Join(", ", found)),
        };
    }
}
