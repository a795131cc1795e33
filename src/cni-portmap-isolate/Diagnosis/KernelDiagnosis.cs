using CniIsolator.KernelState;
using CniIsolator.Linux;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Diagnosis;

/// <summary>The kernel's features, each by its name.</summary>
internal static class KernelDiagnosis
{
    public static void Look(FindingList findings, NetworkConfiguration? configuration)
    {
        // Without a configuration nobody knows whether limits are wanted, and most kernels have htb.
        var (present, missing) = FeatureProbe.Ask(KernelNeeds.Limits);
        foreach (var feature in missing)
        {
            findings.Fault("kernel", $"lacks {feature}", ModuleOf(feature) is { } module ? $"modprobe {module}" : "boot a kernel that has it");
        }

        if (missing.Count == 0)
        {
            findings.Good("kernel", $"Linux {Sysctl.Read("kernel/osrelease")} has what is needed: {string.Join(", ", present)}");
        }

        if (FeatureProbe.LacksFqCodel())
        {
            if (configuration?.UniqueFlow == true)
            {
                findings.Fault("kernel", $"lacks {FeatureProbe.FairQueue}, which {ConfigurationKeys.EgressUniqueFlowPerContainer} needs", "modprobe sch_fq_codel");
            }
            else
            {
                findings.Warn(
                    "kernel",
                    $"lacks {FeatureProbe.FairQueue}: what waits behind a container's limit waits in one plain queue, and {ConfigurationKeys.EgressUniqueFlowPerContainer} cannot be used",
                    "modprobe sch_fq_codel");
            }
        }

        if (FeatureProbe.LacksDrop())
        {
            findings.Warn(
                "kernel",
                "lacks bpf filters (CONFIG_NET_CLS_BPF, kernel 4.1): the host's stack drops what a container must not send, and does not count it apart",
                "modprobe cls_bpf");
        }
        else if (FeatureProbe.NeedsFinishedChecksums())
        {
            findings.Warn(
                "kernel",
                "does not tell where a packet's checksum is filled in: containers compute the checksums of what they send themselves, which takes processor time",
                "boot a kernel from 5.5 on that was built with CONFIG_DEBUG_INFO_BTF, without lockdown=confidentiality");
        }
    }

    private static string? ModuleOf(string feature) => feature.Split(' ')[0] switch
    {
        "veth" => "veth",
        "clsact" => "sch_ingress",
        "u32" => "cls_u32",
        "mirred" => "act_mirred",
        "htb" => "sch_htb",
        _ => null,
    };
}
