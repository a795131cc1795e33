using CniIsolator.Cni;
using CniIsolator.KernelState;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Diagnosis;

/// <summary>The shared interface: whether it can be shared, and which address containers get.</summary>
internal static class MasterDiagnosis
{
    public static void Look(ExaminedHost host, FindingList findings)
    {
        try
        {
            var facts = HostConfiguration.Read(
                host.Connection, host.MasterName, host.Configuration?.Address, host.Session.SharedAddresses());
            findings.Good("master", $"{facts.Master.Name} with {facts.Address}, MAC {facts.Master.Mac}, MTU {facts.Master.Mtu}");
            LookAtAddresses(host, findings, facts);
            LookAtGateway(host, findings, facts);
        }
        catch (IsolationException e)
        {
            findings.Fault("master", e.Message, e.Details ?? Remedy(host));
        }
    }

    public static void LookAtLimits(ExaminedHost host, FindingList findings)
    {
        if (host.Configuration is not { } configuration)
        {
            return;
        }

        try
        {
            var facts = HostConfiguration.Read(host.Connection, configuration.Master, configuration.Address, []);
            foreach (var warning in RateLimits.On(facts, configuration).Warnings)
            {
                findings.Warn("limits", warning, "change the key in the configuration");
            }
        }
        catch (IsolationException)
        {
            // Told already.
        }
        catch (CniException e)
        {
            findings.Fault("limits", e.Message, e.Details ?? "change the key in the configuration");
        }
    }

    private static void LookAtAddresses(ExaminedHost host, FindingList findings, HostConfiguration facts)
    {
        var others = HostConfiguration.ListAddresses(host.Connection, facts.Master.Index).Where(a => a.Address != facts.Address.Address).ToList();
        if (facts.Address.Secondary)
        {
            // The kernel's route to such an address has the primary one as its source, and containers know the shared address alone as the host.
            findings.Warn(
                "master",
                $"{facts.Address} is a secondary address of {facts.Master.Name}: what the host itself connects to "
                + "there leaves from the primary one, and containers' answers do not come back",
                $"add {facts.Address.Address} with a prefix length of its own, such as /32, or share the primary address");
        }

        if (others.Count == 0 || facts.Reason == AddressReason.Configured)
        {
            // An operator who names one knows of the others.
            return;
        }

        var reason = facts.Reason switch
        {
            AddressReason.Containers => "which those that run have already",
            AddressReason.Route => "the source of the default route",
            _ => "the first",
        };
        findings.Warn(
            "master",
            $"{facts.Master.Name} has several addresses: containers share {facts.Address}, {reason}, "
            + $"and have nothing to do with {string.Join(", ", others)}",
            $"say which in the configuration: \"{ConfigurationKeys.Address}\": \"{facts.Address.Address}\"");
    }

    /// <summary>A link that goes down loses its routes, and nobody puts those back that were not made by a network manager.</summary>
    private static void LookAtGateway(ExaminedHost host, FindingList findings, HostConfiguration facts)
    {
        if (!facts.HasDefaultRoute && host.Running.FirstOrDefault(a => a.Host.Gateway is not null) is { } attachment)
        {
            findings.Fault(
                "master",
                $"the host has no default route through {facts.Master.Name} any more, which it had through {attachment.Host.Gateway} when {attachment.Key} was started",
                $"ip route add default via {attachment.Host.Gateway} dev {facts.Master.Name}");
        }
    }

    private static string Remedy(ExaminedHost host)
    {
        var master = host.Links.FirstOrDefault(l => l.Name == host.MasterName);
        var known = host.Attachments.FirstOrDefault(a => a.Host.Master == host.MasterName);
        return master switch
        {
            null when host.MasterName is null => $"name the interface as {ConfigurationKeys.Master} in the configuration",
            null => $"make {host.MasterName} again, or name another interface as {ConfigurationKeys.Master}: {string.Join(", ", host.Links.Where(l => l is { IsLoopback: false, Kind: not "veth" }).Select(l => l.Name))}",
            { IsLoopback: true } or { Mac.IsZero: true } => $"name another interface as {ConfigurationKeys.Master} in the configuration",
            { IsUp: false } => $"ip link set {master.Name} up",
            _ when known is null => $"give {master.Name} an IPv4 address",
            _ => $"ip address add {known.Host.Address}/{known.Host.PrefixLength} dev {master.Name}",
        };
    }
}
