using System.CommandLine;
using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.Netlink;
using CniIsolator.Plugin.Attaching;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.CommandLine;

/// <summary>"doctor": looks at kernel, configuration, store and containers, and says what to change. A fault makes exit code 1.</summary>
internal static class DoctorCommand
{
    public static Command Build(Option<string> stateDir, Func<Func<int>, int> run)
    {
        var config = new Option<string>("--config") { Description = "A network configuration to check against this host, .conflist or .conf", HelpName = "FILE" };
        var doctor = new Command("doctor", "Check the host, and say what to change; exit code 1 on a fault") { config, stateDir };
        doctor.SetAction(result => run(() =>
        {
            var diagnosis = new Diagnosis(Console.Out);
            var configuration = result.GetValue(config) is { } file ? ReadConfiguration(diagnosis, file) : null;
            CheckKernel(diagnosis, configuration);
            if (configuration is not null)
            {
                CheckHost(diagnosis, configuration);
            }

            // The configuration says where its store lies, unless the operator does.
            var given = result.GetResult(stateDir) is { Implicit: false };
            CheckStore(diagnosis, given || configuration is null ? result.GetValue(stateDir)! : configuration.StateDir);
            return diagnosis.Faults == 0 ? 0 : 1;
        }));
        return doctor;
    }

    private static NetworkConfiguration? ReadConfiguration(Diagnosis diagnosis, string file)
    {
        try
        {
            var configuration = NetworkConfiguration.From(ConfigurationFile.Read(file), CniArgs.Empty);
            diagnosis.Good("configuration", $"{file} is valid");
            return configuration;
        }
        catch (Exception e) when (e is CniException or IOException or UnauthorizedAccessException)
        {
            diagnosis.Fault("configuration", e.Message, (e as CniException)?.Details ?? $"correct {file}");
            return null;
        }
    }

    private static void CheckKernel(Diagnosis diagnosis, NetworkConfiguration? configuration)
    {
        // Without a configuration nobody knows whether limits are wanted, and most kernels have htb.
        var missing = FeatureProbe.FindMissing(
            KernelNeeds.Limits | (configuration?.UniqueFlow == true ? KernelNeeds.Flows : KernelNeeds.None));
        foreach (var feature in missing)
        {
            diagnosis.Fault("kernel", $"lacks {feature}", "boot a kernel that has it, or load its module");
        }

        if (missing.Count == 0)
        {
            diagnosis.Good("kernel", "has what is needed");
        }

        if (configuration?.UniqueFlow != true && FeatureProbe.LacksFqCodel())
        {
            diagnosis.Warn(
                "kernel",
                $"lacks {FeatureProbe.FairQueue}: what waits behind a container's limit waits in one plain queue, and {ConfigurationKeys.EgressUniqueFlowPerContainer} cannot be used",
                "modprobe sch_fq_codel, or boot a kernel that has it; containers keep the plain queue until they are made again");
        }
    }

    private static void CheckHost(Diagnosis diagnosis, NetworkConfiguration configuration)
    {
        try
        {
            using var host = NetlinkConnection.Open();
            var facts = HostFacts.Read(host, configuration.Master);
            diagnosis.Good("master", $"{facts.Master.Name} with {facts.Address}, MAC {facts.Master.Mac}, MTU {facts.Master.Mtu}");
            configuration.CheckAgainstHostRange(facts.EphemeralRange);
            diagnosis.Good("ports", $"pool {configuration.EphemeralPorts} lies outside the host's own {facts.EphemeralRange}");
            foreach (var warning in facts.ReadLimits(configuration).Warnings)
            {
                diagnosis.Warn("limits", warning, "see the key in the configuration");
            }
        }
        catch (CniException e)
        {
            diagnosis.Fault("host", e.Message, e.Details ?? "change the host or the configuration");
        }
    }

    private static void CheckStore(Diagnosis diagnosis, string stateDir)
    {
        var content = new AttachmentStore(stateDir).ReadAll();
        foreach (var record in content.Unreadable)
        {
            diagnosis.Fault("store", $"{record.Path} is unreadable: {record.Reason}", "the next ADD rebuilds it while its container lives; DEL of the container removes it");
        }

        if (content.UnreadableHost is { } host)
        {
            diagnosis.Fault("store", $"{host.Path} is unreadable: {host.Reason}", "it is made again by the first ADD after the last DEL");
        }

        diagnosis.Good("store", $"{stateDir} has {content.Attachments.Count} attachments");
        var warnings = AttachmentWarnings.Collect(content.Attachments);
        foreach (var attachment in content.Attachments)
        {
            foreach (var warning in warnings[attachment.Key])
            {
                diagnosis.Warn(attachment.Key.ToString(), warning, "CHECK tells all differences; `update` with the same rate puts a limit back");
            }
        }
    }
}

/// <summary>Findings, a line each, those that need something done with what to do.</summary>
internal sealed class Diagnosis(TextWriter output)
{
    public int Faults { get; private set; }

    public void Good(string subject, string text) => output.WriteLine($"ok       {subject}: {text}");

    public void Warn(string subject, string text, string remedy) => output.WriteLine($"warning  {subject}: {text}\n         -> {remedy}");

    public void Fault(string subject, string text, string remedy)
    {
        Faults++;
        output.WriteLine($"FAULT    {subject}: {text}\n         -> {remedy}");
    }
}
