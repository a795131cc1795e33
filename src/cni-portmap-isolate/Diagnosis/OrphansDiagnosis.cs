using System.Buffers;
using System.Globalization;
using CniIsolator.KernelState;
using CniIsolator.KernelState.Plans;
using CniIsolator.Lifecycle;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Plugin.Diagnosis;

/// <summary>What looks like ours in the kernel and has no record.</summary>
internal static class OrphansDiagnosis
{
    private const string Prefix = "pmi";
    private const int NameLength = 15;

    private static readonly SearchValues<char> Hexadecimal = SearchValues.Create("0123456789abcdef");

    public static void Look(ExaminedHost host, FindingList findings)
    {
        var known = host.Attachments.Select(a => a.Numbers.HostEnd).ToHashSet();
        var names = host.Attachments.Select(a => a.HostInterface).Concat(host.Content.Unreadable.Select(u => u.HostInterface)).ToHashSet();
        var unknown = host.Links.Where(l => l.Kind == "veth" && IsName(l.Name) && !names.Contains(l.Name)).ToList();
        var inUse = unknown.Count == 0 ? [] : NamespaceUsage.ReadFarEnds(host.Session.Namespace);
        foreach (var link in unknown)
        {
            known.Add(link.Index);
            LookAtLink(host, findings, link, inUse.Contains(new VethPair(link.Index, link.PeerIndex)));
        }

        known.UnionWith(host.Links.Where(l => names.Contains(l.Name)).Select(l => l.Index));
        foreach (var device in Devices(host))
        {
            LookAtEntries(host, findings, device, known);
        }
    }

    private static void LookAtLink(ExaminedHost host, FindingList findings, Link link, bool isInUse)
    {
        var text = $"{link.Name} has no record{(link.Alias is { Length: > 0 } alias ? $"; its alias is \"{alias}\"" : "")}";
        if (isInUse)
        {
            findings.Warn("strays", $"{text}; the container at its other end lives, and its ports count as nobody's", "start another container: the ADD that comes upon its ports puts its record together again");
        }
        else
        {
            // gc removes only what says of itself that it is ours.
            findings.Warn("strays", $"{text}, and nothing lives at its other end", Orphans.IsHostEnd(link) ? host.Command("gc") : $"ip link del {link.Name}");
        }
    }

    private static void LookAtEntries(ExaminedHost host, FindingList findings, int device, HashSet<int> known)
    {
        var name = host.Links.FirstOrDefault(l => l.Index == device)?.Name ?? string.Create(CultureInfo.InvariantCulture, $"index {device}");
        var nodes = HostPlan.SharedHooks(device).SelectMany(place => place.Index == device ? U32Filters.List(host.Connection, place) : []).OfType<U32Node>().ToList();
        var gone = nodes.Where(n => n.Action is { Target: 0 }).ToList();
        if (gone.Count > 0)
        {
            findings.Warn(
                "strays",
                string.Create(CultureInfo.InvariantCulture, $"{gone.Count} filters of {name} lead to an interface that is gone, such as {gone[0].Handle}: what comes for these ports is lost"),
                host.Command(host.Running.Any(a => host.Links.All(l => l.Name != a.HostInterface)) ? "repair --all" : "gc"));
        }

        foreach (var foreign in nodes.Where(n => n.Action is { Target: not 0 } action && !known.Contains(action.Target)).GroupBy(n => n.Action!.Target))
        {
            var target = host.Links.FirstOrDefault(l => l.Index == foreign.Key)?.Name ?? string.Create(CultureInfo.InvariantCulture, $"index {foreign.Key}");
            findings.Warn(
                "strays",
                string.Create(CultureInfo.InvariantCulture, $"{foreign.Count()} filters of {name} lead to {target}, which is no container's, such as {foreign.First().Handle}"),
                foreign.Select(node => Removal(name, node)));
        }
    }

    /// <summary>Masters of records and of the note, and the loopback.</summary>
    private static HashSet<int> Devices(ExaminedHost host)
    {
        HashSet<int> devices = [DataPath.Hooks.Loopback, .. host.Attachments.Select(a => a.Host.MasterIndex)];
        if (host.Content.Host is { } note && note.HostNetns == host.Session.Namespace.Identity.ToString())
        {
            devices.Add(note.MasterIfIndex);
        }

        if (host.Links.FirstOrDefault(l => l.Name == host.MasterName) is { } master)
        {
            devices.Add(master.Index);
        }

        return devices;
    }

    private static string Removal(string device, U32Node node)
    {
        var protocol = node.At.Protocol == EthernetProtocol.AddressResolution ? "arp" : "ip";
        return string.Create(CultureInfo.InvariantCulture, $"tc filter del dev {device} ingress protocol {protocol} prio {node.At.Priority} handle {node.Handle} u32");
    }

    private static bool IsName(string name) =>
        name.Length == NameLength && name.StartsWith(Prefix, StringComparison.Ordinal) && name.AsSpan(Prefix.Length).IndexOfAnyExcept(Hexadecimal) < 0;
}
