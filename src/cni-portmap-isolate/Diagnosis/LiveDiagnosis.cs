using System.Globalization;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Plugin.Attaching;
using CniIsolator.Plugin.Verification;

namespace CniIsolator.Plugin.Diagnosis;

/// <summary>What containers have in the kernel, compared as CHECK does, and what to do for them.</summary>
internal static class LiveDiagnosis
{
    // One broken container may differ in each of its filters.
    private const int Most = 4;

    private const string AllReversePath = "net/ipv4/conf/all/rp_filter";

    /// <summary>Tables, sysctls and the loopback: once for all containers that share the same.</summary>
    public static void LookAtShared(ExaminedHost host, FindingList findings)
    {
        if (host.Running.Count == 0)
        {
            return;
        }

        var differences = new DifferenceList();
        var dump = new FilterDump(host.Connection);
        foreach (var group in host.Running.GroupBy(a => $"{a.MasterIfIndex} {a.Address} {a.Mac}"))
        {
            // Who needs most stands for all.
            var flow = group.FirstOrDefault(a => a.Flow != 0);
            var loopback = group.Any(a => a.HostLoopback == HostLoopback.Allow) ? HostLoopback.Allow : HostLoopback.Deny;
            SharedCheck.Compare(differences, dump, (flow ?? group.First()) with { HostLoopback = loopback }, host.Content.Host);
        }

        if (host.Content.Host is null && host.Content.UnreadableHost is null)
        {
            differences.Add("note of what the host was like before the first container", "host.json", "none");
        }

        if (differences.Count > 0)
        {
            findings.Fault("shared", Shorten(differences.All), host.Command("repair --all"));
        }
        else
        {
            findings.Good("shared", "tables, sysctls and the loopback's MAC are as the containers need them");
        }

        LookAtReversePath(host, findings);
    }

    public static void LookAtContainers(ExaminedHost host, FindingList findings)
    {
        var dump = new FilterDump(host.Connection);
        var good = 0;
        foreach (var attachment in host.Running.Where(a => a.Change is null))
        {
            findings.Look(attachment.Key.ToString(), $"container {attachment.ContainerId}", () =>
            {
                var differences = Compare(host, dump, attachment);
                if (differences is { Count: > 0 })
                {
                    findings.Fault(attachment.Key.ToString(), Shorten(differences.All), host.Command($"repair {attachment.ContainerId}"));
                }
                else if (differences is not null)
                {
                    good++;
                }

                if (attachment.PlainQueue)
                {
                    findings.Warn(attachment.Key.ToString(), $"the kernel lacked {FeatureProbe.FairQueue}: one plain queue behind the limit", "after modprobe sch_fq_codel, start the container anew");
                }
            });
        }

        if (good > 0)
        {
            findings.Good("containers", string.Create(CultureInfo.InvariantCulture, $"{good} of {host.Running.Count} running {(good == 1 ? "is" : "are")} as ADD made them"));
        }
    }

    /// <summary>Null where the container has just gone.</summary>
    private static DifferenceList? Compare(ExaminedHost host, FilterDump dump, Attachment attachment)
    {
        using var container = RecordedNamespace.TryOpen(attachment, attachment.Netns);
        if (container is null)
        {
            return null;
        }

        var differences = new DifferenceList();
        if (MasterCheck.Read(differences, host.Connection, attachment, attachment.Master, host.Configuration?.Address) is { } facts)
        {
            MasterCheck.Compare(differences, attachment, facts);
        }

        HostCheck.Compare(differences, dump, attachment);
        container.Run(() => ContainerCheck.Compare(differences, attachment));
        return differences;
    }

    /// <summary>
    /// The kernel takes the larger of the setting for all devices and that of one: a loose check for all undoes the strict one of host
    /// ends, on which kernels without bpf filters rely.
    /// </summary>
    private static void LookAtReversePath(ExaminedHost host, FindingList findings)
    {
        if (Sysctl.Read(AllReversePath) == "2" && host.Running.Any(a => !a.DropsUnmatched))
        {
            findings.Warn(
                "shared",
                "net.ipv4.conf.all.rp_filter is 2, loose: with no bpf filter as the last, the host's stack does not check strictly what a container sends that no filter lets pass",
                "sysctl -w net.ipv4.conf.all.rp_filter=1");
        }
    }

    private static string Shorten(IReadOnlyList<string> differences) =>
        string.Join("; ", differences.ToArray().AsSpan(0, Math.Min(Most, differences.Count))!)
        + (differences.Count > Most ? string.Create(CultureInfo.InvariantCulture, $"; and {differences.Count - Most} more differences") : "");
}
