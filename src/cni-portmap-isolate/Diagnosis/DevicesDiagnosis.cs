using System.Globalization;
using CniIsolator.DataPath;
using CniIsolator.Linux;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Plugin.Diagnosis;

/// <summary>Qdiscs, filters and programs of others on the devices that packets of containers pass.</summary>
internal static class DevicesDiagnosis
{
    public static void Look(ExaminedHost host, FindingList findings)
    {
        var before = findings.All.Count;
        var masters = host.Attachments.Select(a => a.Host.MasterIndex).ToHashSet();
        foreach (var link in host.Links.Where(l => l.IsLoopback || l.Name == host.MasterName || masters.Contains(l.Index)))
        {
            findings.Look("devices", $"filters of {link.Name}", () => LookAtShared(host, findings, link));
        }

        foreach (var attachment in host.Attachments)
        {
            if (host.Links.FirstOrDefault(l => l.Name == attachment.HostInterface) is { } link)
            {
                findings.Look("devices", $"filters of {link.Name}", () => LookAtHostEnd(host, findings, link, attachment.Key.ContainerId, attachment.Limits.Ingress is not null));
            }
        }

        if (findings.All.Count == before)
        {
            findings.Good("devices", "nobody else has qdiscs, filters or programs where packets of containers pass");
        }
    }

    private static void LookAtShared(ExaminedHost host, FindingList findings, Link link)
    {
        if (host.Qdiscs.FirstOrDefault(q => q.Index == link.Index && q.HoldsIngressFilters) is { } qdisc)
        {
            if (qdisc.IngressBlock != 0)
            {
                findings.Fault(
                    "devices",
                    string.Create(CultureInfo.InvariantCulture, $"the {qdisc.Kind} qdisc of {link.Name} shares filter block {qdisc.IngressBlock} with other devices: the kernel takes none of our filters there"),
                    $"tc qdisc del dev {link.Name} {qdisc.Kind}");
            }
            else if (qdisc.Kind == "ingress")
            {
                // Its owner's filters would go with it.
                var isUsed = Classifiers.List(host.Connection, link.Index, TcHandle.Ingress).Exists(f => !Hooks.IsOurs(f.Priority));
                findings.Warn(
                    "devices",
                    $"{link.Name} has an ingress qdisc instead of clsact, which somebody else made: our filters hang on it, and go with it when its owner removes it",
                    isUsed ? [$"when its owner has removed it: {host.Command("repair --all")}"] : [$"tc qdisc del dev {link.Name} ingress", host.Command("repair --all")]);
            }
        }

        LookAtPrograms(findings, link);
        foreach (var filter in Classifiers.List(host.Connection, link.Index, TcHandle.Ingress).Where(f => !Hooks.IsOurs(f.Priority)))
        {
            var text = $"{link.Name} has a filter of somebody else: {Describe(host, filter)}";
            if (filter.Priority < Hooks.ArpPriority)
            {
                findings.Warn(
                    "devices",
                    $"{text}; it comes before ours: what it takes, drops or accepts never reaches a container",
                    $"tc filter del dev {link.Name} ingress prio {filter.Priority}");
            }
            else
            {
                findings.Good("devices", $"{text}; it comes after ours, and sees what is not for containers");
            }
        }

        foreach (var filter in Classifiers.List(host.Connection, link.Index, TcHandle.Egress))
        {
            findings.Warn(
                "devices",
                $"{link.Name} has a filter of somebody else on its way out: {Describe(host, filter)}; it sees what containers send",
                $"tc filter del dev {link.Name} egress prio {filter.Priority}");
        }
    }

    private static void LookAtHostEnd(ExaminedHost host, FindingList findings, Link link, string container, bool isLimited)
    {
        foreach (var filter in Classifiers.List(host.Connection, link.Index, TcHandle.Ingress).Where(f => !Hooks.IsOurs(f.Priority)))
        {
            findings.Fault(
                "devices",
                $"{link.Name} of {container} has a filter of somebody else: {Describe(host, filter)}; {(filter.Priority < Hooks.ArpPriority ? "it comes before ours, and may let the container send what it likes" : "it comes after ours")}",
                host.Command($"repair {container}"));
        }

        foreach (var filter in Classifiers.List(host.Connection, link.Index, TcHandle.Egress))
        {
            findings.Warn(
                "devices",
                $"{link.Name} of {container} has a filter of somebody else towards the container: {Describe(host, filter)}",
                $"tc filter del dev {link.Name} egress prio {filter.Priority}");
        }

        LookAtPrograms(findings, link);
        var root = host.Qdiscs.FirstOrDefault(q => q.Index == link.Index && q.Parent == TcHandle.Root);
        if (root is { IsDefault: false } && !isLimited)
        {
            findings.Warn(
                "devices",
                $"{link.Name} of {container} has a qdisc {root.Kind} {TcHandle.Format(root.Handle)} and should have none{(root.Kind == "tbf" ? ": it looks like the bandwidth plugin's limit on what the container receives" : "")}",
                $"tc qdisc del dev {link.Name} root");
        }
    }

    private static void LookAtPrograms(FindingList findings, Link link)
    {
        foreach (var ingress in (bool[])[true, false])
        {
            foreach (var program in TcxPrograms.List(link.Index, ingress) ?? [])
            {
                findings.Warn(
                    "devices",
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{link.Name} has a tcx program on its {(ingress ? "ingress" : "egress")}: {program.Name} (number {program.Identifier}{Owner(program.Name)}); it runs before all filters, and what it takes or drops never reaches a container"),
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"have its owner leave {link.Name} alone; bpftool prog show id {program.Identifier} tells more of it, and bpftool net detach tcx_{(ingress ? "ingress" : "egress")} dev {link.Name} takes it off"));
            }
        }
    }

    private static string Describe(ExaminedHost host, Classifier filter)
    {
        var target = filter.Target is { } index ? host.Links.FirstOrDefault(l => l.Index == index) : null;
        var text = string.Create(CultureInfo.InvariantCulture, $"{filter.Kind} at priority {filter.Priority}");
        if (filter.Program is { } program)
        {
            text += string.Create(CultureInfo.InvariantCulture, $" with program {program} (number {filter.ProgramIdentifier}{Owner(program)})");
        }

        if (target is not null)
        {
            text += $" that leads to {target.Name}{(target.Kind == "ifb" ? " (an ifb: it looks like the bandwidth plugin's limit on what the container sends)" : "")}";
        }

        return text;
    }

    /// <summary>The names that well-known network plugins give to their programs.</summary>
    private static string Owner(string program) =>
        program.StartsWith("cil_", StringComparison.Ordinal) || program.StartsWith("bpf_netdev", StringComparison.Ordinal)
            || program.StartsWith("bpf_host", StringComparison.Ordinal) || program.StartsWith("bpf_lxc", StringComparison.Ordinal)
            ? ", it looks like Cilium's"
        : program.StartsWith("cali", StringComparison.Ordinal) ? ", it looks like Calico's"
        : program.StartsWith("antrea", StringComparison.Ordinal) ? ", it looks like Antrea's"
        : "";
}
