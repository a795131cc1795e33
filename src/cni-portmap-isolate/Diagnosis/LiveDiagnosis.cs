using System.Globalization;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.KernelState.Objects;
using CniIsolator.Lifecycle;
using CniIsolator.Linux;

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

        List<Difference> differences = [];
        var check = new AttachmentCheck(host.Session);
        foreach (var group in host.Running.GroupBy(a => a.Host))
        {
            // Who needs most stands for all.
            differences.AddRange(check.CompareShared(
                group.Key, group.Any(a => a.HostLoopback == HostLoopback.Allow), group.Any(a => a.Numbers.Flow != 0)));
        }

        if (host.Content.Host is null && host.Content.UnreadableHost is null)
        {
            differences.Add(new Difference("note of what the host was like before the first container", "host.json", "none"));
        }

        if (differences.Count > 0)
        {
            findings.Fault("shared", Shorten(differences), host.Command("repair --all"));
        }
        else
        {
            findings.Good("shared", "tables, sysctls and the loopback's MAC are as the containers need them");
        }

        LookAtReversePath(host, findings);
    }

    public static void LookAtContainers(ExaminedHost host, FindingList findings)
    {
        var check = new AttachmentCheck(host.Session);
        var good = 0;
        foreach (var attachment in host.Running.Where(a => a.Change is null))
        {
            findings.Look(attachment.Key.ToString(), $"container {attachment.Key.ContainerId}", () =>
            {
                var differences = Compare(check, attachment);
                if (differences is { Count: > 0 })
                {
                    findings.Fault(attachment.Key.ToString(), Shorten(differences), host.Command($"repair {attachment.Key.ContainerId}"));
                }
                else if (differences is not null)
                {
                    good++;
                }

                if (attachment.Features.PlainQueue)
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
    private static IReadOnlyList<Difference>? Compare(AttachmentCheck check, Attachment attachment)
    {
        using var container = RecordedNamespace.TryOpen(attachment, attachment.Namespace.Path);
        return container is null ? null : check.CompareOwn(attachment, container, new MasterState(attachment.Host) { Place = Place.Host });
    }

    /// <summary>
    /// The kernel takes the larger of the setting for all devices and that of one: a loose check for all undoes the strict one of host
    /// ends, on which kernels without bpf filters rely.
    /// </summary>
    private static void LookAtReversePath(ExaminedHost host, FindingList findings)
    {
        if (Sysctl.Read(AllReversePath) == "2" && host.Running.Any(a => !a.Features.DropsUnmatched))
        {
            findings.Warn(
                "shared",
                "net.ipv4.conf.all.rp_filter is 2, loose: with no bpf filter as the last, the host's stack does not check strictly what a container sends that no filter lets pass",
                "sysctl -w net.ipv4.conf.all.rp_filter=1");
        }
    }

    private static string Shorten(IReadOnlyList<Difference> differences) =>
        string.Join("; ", differences.Take(Most))
        + (differences.Count > Most ? string.Create(CultureInfo.InvariantCulture, $"; and {differences.Count - Most} more differences") : "");
}
