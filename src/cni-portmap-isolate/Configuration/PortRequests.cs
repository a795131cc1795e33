using System.Collections.Immutable;
using System.Net;
using CniIsolator.Cni;
using CniIsolator.Ipam;

namespace CniIsolator.Plugin.Configuration;

/// <summary>The fixed ports a container asks for, from wherever a runtime can say so.</summary>
internal sealed class PortRequests
{
    private readonly PortSet allowed;
    private readonly PortSet pool;
    private readonly SortedDictionary<TransportProtocol, List<PortRange>> wanted = [];
    private readonly List<RequestedPort> withHostIp = [];

    private PortRequests(PortSet allowed, PortSet pool) => (this.allowed, this.pool) = (allowed, pool);

    /// <summary>Per protocol, in order, adjacent ports merged.</summary>
    public ImmutableArray<PortClaim> Claims =>
    [
        .. from protocol in wanted
           from range in PortSet.From(protocol.Value).Ranges
           select new PortClaim(protocol.Key, range),
    ];

    public ImmutableArray<RequestedPort> WithHostIp => [.. withHostIp];

    /// <summary>
    /// The union of the capability (or, where the runtime sends none, of the static key), of Mesos' port mappings and of
    /// PORTS in CNI_ARGS.
    /// </summary>
    /// <exception cref="CniException">
    /// <see cref="CniErrorCode.InvalidNetworkConfig"/>, naming the entry; <see cref="CniErrorCode.PortTaken"/> for a port
    /// of the pool.
    /// </exception>
    public static PortRequests Collect(CniConfig config, CniArgs args, PortSet allowed, PortSet pool)
    {
        var requests = new PortRequests(allowed, pool);
        var mappings = config.RuntimeConfig.ReadPortMappings();
        if (mappings.Count > 0)
        {
            requests.Add("runtimeConfig.portMappings", mappings);
        }
        else
        {
            requests.Add(ConfigurationKeys.PortMappings, PortMapping.ReadList(config.Top.Member(ConfigurationKeys.PortMappings)));
        }

        requests.Add("args.org.apache.mesos.network_info.port_mappings", config.Mesos.PortMappings);
        requests.AddArgument(args);
        return requests;
    }

    private void Add(string key, IReadOnlyList<PortMapping> mappings)
    {
        foreach (var mapping in mappings)
        {
            CniException Refuse(string why, string? details = null) =>
                new(CniErrorCode.InvalidNetworkConfig, $"{key}: {mapping} {why}", details);

            var (host, container) = (mapping.HostPort, mapping.ContainerPort);
            var port = host != 0 ? host : container;
            if (port == 0)
            {
                throw Refuse("has no port");
            }

            if (container != 0 && container != port)
            {
                throw Refuse(
                    "has two different ports", "container and host share one address, so hostPort and containerPort must be equal");
            }

            TransportProtocol protocol = mapping.Protocol switch
            {
                "tcp" => TransportProtocol.Tcp,
                "udp" => TransportProtocol.Udp,
                "sctp" => TransportProtocol.Sctp,
                _ => throw Refuse("has an unknown protocol", "tcp, udp or sctp"),
            };
            if (!allowed.Contains(port))
            {
                RefuseOfPool(new PortClaim(protocol, PortRange.Single((ushort)port)).ToString(), port);
                throw Refuse($"is outside {ConfigurationKeys.Ports}: {allowed}");
            }

            Want(protocol, PortRange.Single((ushort)port));
            if (mapping.HostIp.Length == 0)
            {
                continue;
            }

            if (!TryParseAddress(mapping.HostIp, out var address))
            {
                throw Refuse("has a hostIP that is no IP address");
            }

            if (!address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any))
            {
                withHostIp.Add(new RequestedPort(protocol, (ushort)port, address, $"{key}: {mapping}"));
            }
        }
    }

    /// <summary>
    /// PORTS names no protocol, so each port is claimed for TCP and UDP, as Mesos does with the ports of an offer. SCTP
    /// is not: the ports of an offer never included it.
    /// </summary>
    private void AddArgument(CniArgs args)
    {
        const string key = "CNI_ARGS PORTS";
        if (args[ConfigurationKeys.PortsArgument] is not { } text)
        {
            return;
        }

        foreach (var range in PortRanges.Parse(key, text).Ranges)
        {
            if (!allowed.Contains(range))
            {
                if (pool.Intersect(PortSet.From(range)) is { IsEmpty: false } common)
                {
                    RefuseOfPool(range.ToString(), common.Ranges[0].Begin);
                }

                throw ConfigurationKeys.Invalid(key, text, $"has {range}, which is outside {ConfigurationKeys.Ports}: {allowed}");
            }

            Want(TransportProtocol.Tcp, range);
            Want(TransportProtocol.Udp, range);
        }
    }

    /// <summary>A port of the pool has an owner, the containers that are still to come, so it is taken rather than wrong.</summary>
    private void RefuseOfPool(string ports, int port)
    {
        if (pool.Contains(port))
        {
            throw new CniException(
                CniErrorCode.PortTaken,
                $"port {ports} is taken",
                $"the pool {ConfigurationKeys.EphemeralPorts} \"{pool}\" owns it; fixed ports come from {ConfigurationKeys.Ports} \"{allowed}\"");
        }
    }

    private void Want(TransportProtocol protocol, PortRange range)
    {
        if (!wanted.TryGetValue(protocol, out var ranges))
        {
            wanted.Add(protocol, ranges = []);
        }

        ranges.Add(range);
    }

    // IPAddress.TryParse takes "1" and "127.1" and leading zeros for addresses; nobody means them.
    private static bool TryParseAddress(string text, out IPAddress address)
    {
        var valid = IPAddress.TryParse(text, out var parsed)
            && (text.Contains(':', StringComparison.Ordinal) || parsed.ToString().Equals(text, StringComparison.Ordinal));
        address = !valid ? IPAddress.None : parsed!.IsIPv4MappedToIPv6 ? parsed.MapToIPv4() : parsed;
        return valid;
    }
}
