using System.Buffers;
using System.Globalization;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.Attaching;

namespace CniIsolator.Plugin.Diagnosis;

/// <summary>What looks like ours in the kernel and has no record.</summary>
internal static class StraysDiagnosis
{
    private const string Prefix = "pmi";
    private const int NameLength = 15;

    private static readonly SearchValues<char> Hexadecimal = SearchValues.Create("0123456789abcdef");

    public static void Look(ExaminedHost host, FindingList findings)
    {
        var known = host.Attachments.Select(a => a.IfIndex).ToHashSet();
        var names = host.Attachments.Select(a => a.HostInterface).Concat(host.Content.Unreadable.Select(u => u.HostInterface)).ToHashSet();
        foreach (var link in host.Links.Where(l => l.Kind == "veth" && IsName(l.Name) && !names.Contains(l.Name)))
        {
            known.Add(link.Index);
            findings.Warn("strays", $"{link.Name} has no record{(link.Alias is { Length: > 0 } alias ? $"; its alias is \"{alias}\"" : "")}", host.Command("gc"));
        }

        known.UnionWith(host.Links.Where(l => names.Contains(l.Name)).Select(l => l.Index));
        foreach (var device in Devices(host))
        {
            LookAtEntries(host, findings, device, known);
        }
    }

    private static void LookAtEntries(ExaminedHost host, FindingList findings, int device, HashSet<int> known)
    {
        var name = host.Links.FirstOrDefault(l => l.Index == device)?.Name ?? string.Create(CultureInfo.InvariantCulture, $"index {device}");
        var nodes = HostSide.Places(device).SelectMany(place => place.Index == device ? U32Filters.List(host.Connection, place) : []).OfType<U32Node>().ToList();
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
                host.Command("gc"));
        }
    }

    /// <summary>Masters of records and of the note, and the loopback.</summary>
    private static HashSet<int> Devices(ExaminedHost host)
    {
        HashSet<int> devices = [DataPath.FilterPlaces.Loopback, .. host.Attachments.Select(a => a.MasterIfIndex)];
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

    private static bool IsName(string name) =>
        name.Length == NameLength && name.StartsWith(Prefix, StringComparison.Ordinal) && name.AsSpan(Prefix.Length).IndexOfAnyExcept(Hexadecimal) < 0;
}
