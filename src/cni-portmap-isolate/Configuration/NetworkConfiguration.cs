using System.Collections.Immutable;
using System.Net;
using CniIsolator.Cni;
using CniIsolator.DataPath;
using CniIsolator.Ipam;

namespace CniIsolator.Plugin.Configuration;

/// <summary>
/// Everything that configures an attachment, checked: the network's keys, what the runtime passes for this container,
/// CNI_ARGS and Mesos' labels. Where a label and CNI_ARGS say the same thing the label wins (CNI conventions, "args").
/// Keys that are not known are ignored, since runtimes add their own.
/// </summary>
public sealed record NetworkConfiguration
{
    private NetworkConfiguration()
    {
    }

    /// <summary>The network's name.</summary>
    public required string Name { get; init; }

    /// <summary>The interface whose address is shared; null for that of the IPv4 default route.</summary>
    public string? Master { get; init; }

    /// <summary>The IPv4 address of the master that is shared; null for the one that containers share already, else the default route's.</summary>
    public IPAddress? Address { get; init; }

    /// <summary>What containers may ask for; may be empty.</summary>
    public required PortSet Ports { get; init; }

    /// <summary>The pool that slices are cut from; never empty, overlaps neither <see cref="Ports"/> nor 0-1023.</summary>
    public required PortSet EphemeralPorts { get; init; }

    /// <summary>Size of this container's slice: a power of two, at least 16, that the pool has an aligned block for.</summary>
    public required int EphemeralPortsPerContainer { get; init; }

    /// <summary>Size of the slice of a container that asks for no other.</summary>
    public required int UsualEphemeralPortsPerContainer { get; init; }

    public required RateSettings Egress { get; init; }

    public required RateSettings Ingress { get; init; }

    /// <summary>Bytes per second, for "auto"; null for what the interface tells.</summary>
    public ulong? LinkSpeed { get; init; }

    /// <summary>One fq_codel flow per container on the master.</summary>
    public bool UniqueFlow { get; init; }

    public FlowClassifierParent FlowClassifierParent { get; init; }

    public HostLoopback HostLoopback { get; init; }

    /// <summary>For the result; null if not configured.</summary>
    public CniDns? Dns { get; init; }

    /// <summary>Absolute path.</summary>
    public required string StateDir { get; init; }

    /// <summary>Absolute path.</summary>
    public required string LogFile { get; init; }

    public LogLevel LogLevel { get; init; }

    /// <summary>Whether GC also takes down attachments that are not listed and whose container lives.</summary>
    public bool GcForce { get; init; }

    /// <summary>The container's CPUs, 0 to 65536, fractions included; null if nobody says.</summary>
    public decimal? Cpus { get; init; }

    /// <summary>The container's cgroup.</summary>
    public required CgroupSetting Cgroup { get; init; }

    /// <summary>
    /// The fixed ports this container gets, by protocol and port, adjacent ones merged. Those from PORTS in CNI_ARGS are
    /// there for TCP and for UDP, as the argument names no protocol; SCTP has to be asked for by a port mapping.
    /// </summary>
    public ImmutableArray<PortClaim> Claims { get; init; }

    /// <summary>The requested ports that came with a host address; see <see cref="CheckHostIps"/>.</summary>
    public ImmutableArray<RequestedPort> HostIps { get; init; }

    /// <inheritdoc cref="From(CniConfig, CniArgs)"/>
    public static NetworkConfiguration From(CniRequest request) => From(request.Config, request.Args);

    /// <exception cref="CniException">
    /// <see cref="CniErrorCode.InvalidNetworkConfig"/>, the message has key and value; or
    /// <see cref="CniErrorCode.UnsupportedField"/> for an ipam.type that is not empty, or
    /// <see cref="CniErrorCode.PortTaken"/> for a fixed port inside the pool.
    /// </exception>
    public static NetworkConfiguration From(CniConfig config, CniArgs args)
    {
        var top = config.Top;
        GeneralKeys.RefuseIpam(top);
        var ports = PortRanges.Read(top.Member(ConfigurationKeys.Ports)) ?? PortSet.Parse(ConfigurationKeys.DefaultPorts);
        var pool = EphemeralPool.Read(top.Member(ConfigurationKeys.EphemeralPorts), ports);
        var bandwidth = config.RuntimeConfig.ReadBandwidth() ?? new Bandwidth(0, 0, 0, 0);
        var requests = PortRequests.Collect(config, args, ports, pool);
        return new NetworkConfiguration
        {
            Name = config.Name,
            Master = GeneralKeys.ReadMaster(top),
            Address = GeneralKeys.ReadAddress(top),
            Ports = ports,
            EphemeralPorts = pool,
            EphemeralPortsPerContainer = EphemeralPool.ReadSliceSize(config, args, pool),
            UsualEphemeralPortsPerContainer = EphemeralPool.ReadUsualSliceSize(config),
            Egress = RateSettings.Read(top, "egress", bandwidth.EgressRate, bandwidth.EgressBurst),
            Ingress = RateSettings.Read(top, "ingress", bandwidth.IngressRate, bandwidth.IngressBurst),
            LinkSpeed = ByteRate.Read(top.Member(ConfigurationKeys.LinkSpeed)) is { } speed and > 0 ? speed : null,
            UniqueFlow = top.Member(ConfigurationKeys.EgressUniqueFlowPerContainer).AsBoolean() ?? false,
            FlowClassifierParent = GeneralKeys.ReadFlowClassifierParent(top),
            HostLoopback = GeneralKeys.ReadHostLoopback(top),
            Dns = config.ReadDns(),
            StateDir = GeneralKeys.ReadStateDir(top),
            LogFile = GeneralKeys.ReadLogFile(top),
            LogLevel = GeneralKeys.ReadLogLevel(top),
            GcForce = GeneralKeys.ReadGcForce(top),
            Cpus = GeneralKeys.ReadCpus(config, args),
            Cgroup = CgroupSetting.Read(config.RuntimeConfig),
            Claims = requests.Claims,
            HostIps = requests.WithHostIp,
        };
    }

    /// <inheritdoc cref="RemovalConfiguration.From"/>
    public static RemovalConfiguration ForRemoval(CniRequest request) => RemovalConfiguration.From(request.Config);

    /// <inheritdoc cref="RemovalConfiguration.From"/>
    public static RemovalConfiguration ForRemoval(CniConfig config) => RemovalConfiguration.From(config);

    /// <summary>Throws if the host hands out ephemeral ports of the pool to its own processes.</summary>
    /// <param name="hostRange">The host's net.ipv4.ip_local_port_range.</param>
    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>, naming both.</exception>
    public void CheckAgainstHostRange(PortRange hostRange)
    {
        if (EphemeralPorts.Overlaps(hostRange))
        {
            throw ConfigurationKeys.Invalid(
                ConfigurationKeys.EphemeralPorts,
                EphemeralPorts.ToString(),
                $"overlaps the host's net.ipv4.ip_local_port_range {hostRange}");
        }
    }

    /// <summary>Throws if a port was requested at an address other than the one containers share.</summary>
    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>, naming the entry.</exception>
    public void CheckHostIps(IPAddress hostAddress)
    {
        foreach (var request in HostIps)
        {
            request.CheckHostIp(hostAddress);
        }
    }
}
