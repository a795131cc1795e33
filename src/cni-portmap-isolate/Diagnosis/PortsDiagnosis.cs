using System.Globalization;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Diagnosis;

/// <summary>What a network gives out.</summary>
/// <param name="Name">The network's name.</param>
/// <param name="Ports">Fixed ports.</param>
/// <param name="Pool">Ephemeral ports.</param>
internal sealed record NetworkRanges(string Name, PortSet Ports, PortSet Pool)
{
    /// <summary>The configured network, and those that the store remembers of this host.</summary>
    public static List<NetworkRanges> Of(ExaminedHost host)
    {
        List<NetworkRanges> networks = [];
        if (host.Configuration is { } configuration)
        {
            networks.Add(new NetworkRanges(configuration.Name, configuration.Ports, configuration.EphemeralPorts));
        }

        foreach (var network in host.Networks)
        {
            if (network.BootId == host.Session.BootId
                && network.HostNetns == host.Session.Namespace.Identity.ToString()
                && !networks.Exists(n => n.Name == network.Name))
            {
                networks.Add(new NetworkRanges(network.Name, PortSet.Parse(network.Ports), PortSet.Parse(network.EphemeralPorts)));
            }
        }

        return networks;
    }
}

/// <summary>Ranges of networks against those that the kernel gives to the host's own processes, and against each other.</summary>
internal static class PortsDiagnosis
{
    private const string LocalRange = "net/ipv4/ip_local_port_range";
    private const string Reserved = "net/ipv4/ip_local_reserved_ports";

    // Of the host's own range: less is soon used up by a few busy clients.
    private const int FewestLocalPorts = 1024;

    private static readonly PortRange Unprivileged = new(1024, ushort.MaxValue);

    public static void Look(ExaminedHost host, FindingList findings)
    {
        var networks = NetworkRanges.Of(host);
        var words = (Sysctl.Read(LocalRange) ?? "32768 60999").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        var local = new PortRange(ushort.Parse(words[0], CultureInfo.InvariantCulture), ushort.Parse(words[1], CultureInfo.InvariantCulture));
        var reserved = PortSet.Parse(Sysctl.Read(Reserved) ?? "");
        var given = PortSet.From(networks.SelectMany(n => n.Ports.Ranges.Concat(n.Pool.Ranges)));
        foreach (var network in networks)
        {
            LookAtPool(findings, network, local, given);
            LookAtPorts(findings, network, local, reserved);
            LookAtOthers(findings, network, networks);
        }

        if (networks.Count == 0)
        {
            findings.Good("ports", $"no network is known; the host's own are {local}");
        }
    }

    private static void LookAtPool(FindingList findings, NetworkRanges network, PortRange local, PortSet given)
    {
        if (!network.Pool.Overlaps(local))
        {
            findings.Good("ports", $"pool {network.Pool} of network {network.Name} lies outside the host's own {local}");
            return;
        }

        findings.Fault(
            "ports",
            $"{ConfigurationKeys.EphemeralPorts} {network.Pool} of network {network.Name} overlaps the host's net.ipv4.ip_local_port_range {local}: "
            + "the kernel gives the same ports to processes of the host, and their answers would go to containers",
            Suggest(local, given) is { } free
                ? string.Create(CultureInfo.InvariantCulture, $"sysctl -w net.ipv4.ip_local_port_range=\"{free.Begin} {free.End}\"")
                : $"make {ConfigurationKeys.EphemeralPorts} smaller: they leave the host no range of {FewestLocalPorts} ports");
    }

    private static void LookAtPorts(FindingList findings, NetworkRanges network, PortRange local, PortSet reserved)
    {
        var open = network.Ports.Intersect(PortSet.From(local)).Subtract(reserved);
        if (!open.IsEmpty)
        {
            findings.Warn(
                "ports",
                $"{ConfigurationKeys.Ports} {network.Ports} of network {network.Name} reach into the host's net.ipv4.ip_local_port_range {local}: "
                + $"the kernel may give any of {open} to a process of the host, and a container cannot have it then",
                $"sysctl -w net.ipv4.ip_local_reserved_ports={reserved.Union(open)}");
        }
        else if (!network.Ports.IsEmpty)
        {
            findings.Good("ports", $"the kernel gives none of {network.Ports} of network {network.Name} to processes of the host");
        }
    }

    private static void LookAtOthers(FindingList findings, NetworkRanges network, List<NetworkRanges> networks)
    {
        foreach (var other in networks)
        {
            var common = network.Pool.Intersect(other.Ports);
            if (!common.IsEmpty)
            {
                findings.Warn(
                    "ports",
                    $"{common} are in {ConfigurationKeys.EphemeralPorts} of network {network.Name} and in {ConfigurationKeys.Ports} of network {other.Name}: whoever comes first takes them from the other",
                    $"take {common} out of one of the two configurations");
            }
        }
    }

    /// <summary>
    /// What is left of the host's range beside what containers have, or another free one; the largest piece. The kernel wants its two ends
    /// to be of different parity.
    /// </summary>
    private static PortRange? Suggest(PortRange local, PortSet given)
    {
        foreach (var from in (PortRange[])[local, Unprivileged])
        {
            var rest = PortSet.From(from).Subtract(given).Ranges;
            if (rest.IsEmpty || rest.MaxBy(r => r.Count) is not { Count: >= FewestLocalPorts } free)
            {
                continue;
            }

            return (free.Begin + free.End) % 2 == 0 ? new PortRange((ushort)(free.Begin + 1), free.End) : free;
        }

        return null;
    }
}
