using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Lifecycle;
using CniIsolator.Plugin.Configuration;
using Serilog;

namespace CniIsolator.Plugin.Commands;

/// <summary>ADD: reads what is asked for and what the host is like, has the container attached, and says what it got.</summary>
internal static class AddCommand
{
    public static CniResult Run(CniRequest request, ILogger log)
    {
        var configuration = NetworkConfiguration.From(request);
        using var session = new Session(configuration.StateDir);
        using var container = ContainerNamespace.Open(request.Netns, session.Namespace);
        var host = session.ReadHost(configuration.Master, configuration.Address);
        configuration.CheckAgainstHostRange(host.EphemeralRange);
        configuration.CheckHostIps(host.Values.Address);
        ScatteredPorts.Refuse(configuration.Claims);
        var limits = RateLimits.On(host, configuration);
        foreach (var warning in limits.Warnings)
        {
            log.Warning("{Warning:l}", warning);
        }

        if (configuration.Cgroup.Warning is { } doubt)
        {
            log.Warning("{Warning:l}", doubt);
        }

        var wanted = Request(request, configuration, new Limits(limits.Egress, limits.Ingress));
        var attachment = new AttachmentBuilding(session, wanted, host, log).Attach(container);
        Tell(attachment, log);
        return Describe(attachment, request, configuration.Dns);
    }

    /// <summary>The runtime will never learn of the result: take the attachment down again.</summary>
    public static void Undo(CniRequest request, ILogger log)
    {
        using var session = new Session(NetworkConfiguration.ForRemoval(request).StateDir);
        if (Detachment.Claim(session, new AttachmentKey(request.Config.Name, request.ContainerId, request.IfName)) is { } attachment)
        {
            log.Warning("the result could not be delivered; {Attachment} is taken down again", attachment.Key);
            Detachment.Remove(session, attachment, request.Netns);
        }
    }

    private static AttachRequest Request(CniRequest request, NetworkConfiguration configuration, Limits limits) => new()
    {
        Key = new AttachmentKey(request.Config.Name, request.ContainerId, request.IfName),
        Netns = request.Netns,
        Claims = configuration.Claims,
        Ports = configuration.Ports,
        EphemeralPorts = configuration.EphemeralPorts,
        SliceSize = configuration.EphemeralPortsPerContainer,
        UsualSliceSize = configuration.UsualEphemeralPortsPerContainer,
        Flows = configuration.UniqueFlow ? configuration.FlowClassifierParent : null,
        Limits = limits,
        HostLoopback = configuration.HostLoopback,
        CgroupPath = configuration.Cgroup.Path,
        Args = new OrderedDictionary<string, string>(
            request.Args.Pairs.Where(p => !p.Key.Equals("IgnoreUnknown", StringComparison.OrdinalIgnoreCase)).DistinctBy(p => p.Key)),
    };

    private static void Tell(Attachment attachment, ILogger log)
    {
        var (container, features) = (attachment.Key.ContainerId, attachment.Features);
        if (features.PlainQueue)
        {
            log.Warning(
                "the kernel lacks {Feature}: what waits behind the limit of {Container} waits in one plain queue",
                FeatureProbe.FairQueue,
                container);
        }

        if (!features.DropsUnmatched)
        {
            log.Debug(
                "the kernel lacks BPF or its filter (CONFIG_NET_CLS_BPF): the host's stack drops what {Container} must not send",
                container);
        }

        if (!features.GuardsChecksums)
        {
            log.Debug(
                "the kernel lacks BPF, its filter (CONFIG_NET_CLS_BPF) or a function of it (kernel 4.9): a raw socket of {Container} may send from others' ports",
                container);
        }
        else if (features.FinishesChecksums)
        {
            log.Debug("{Kernel}: {Container} computes the checksums of what it sends itself, which takes processor time", FeatureProbe.NoPacketLayout, container);
        }

        log.Information("{Container} has ports {Slice} and {Ports}", container, attachment.Ports.Slice, attachment.Ports.Claims);
    }

    private static CniResult Describe(Attachment attachment, CniRequest request, CniDns? dns)
    {
        var host = attachment.Host;
        var hasRoute = host.Gateway is not null && attachment.Before is not { HasDefaultRoute: true };
        return new CniResult
        {
            Interfaces =
            [
                new CniInterface(attachment.HostInterface, host.Mac, (uint)host.Mtu),
                new CniInterface(attachment.Key.IfName, host.Mac, (uint)host.Mtu, request.Netns),
            ],
            Ips = [new CniIp($"{host.Address}/{host.PrefixLength}", host.Gateway?.ToString(), 1)],
            Routes = hasRoute ? [new CniRoute("0.0.0.0/0", host.Gateway!.ToString())] : [],
            Dns = dns,
        };
    }
}
