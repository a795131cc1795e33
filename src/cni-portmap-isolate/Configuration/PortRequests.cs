using System.Collections.Immutable;
using System.Net;
using CniIsolator.Cni;
using CniIsolator.Ipam;

namespace CniIsolator.Plugin.Configuration;

/// <summary>The fixed ports a container asks for, from wherever a runtime can say so.</summary>
internal sealed class PortRequests
{
    private readonly PortSet _allowed;
    private readonly PortSet _pool;
    private readonly SortedDictionary<TransportProtocol, List<PortRange>> _wanted = [];
    private readonly List<RequestedPort> _withHostIp = [];

    private PortRequests(PortSet allowed, PortSet pool)
    {
        _allowed = allowed;
        _pool = pool;
    }

    /// <summary>Per protocol, in order, adjacent ports merged.</summary>
    public ImmutableArray<PortClaim> Claims =>
    [
        .. from protocol in _wanted
           from range in PortSet.From(protocol.Value).Ranges
           select new PortClaim(protocol.Key, range),
    ];

    public ImmutableArray<RequestedPort> WithHostIp => [.. _withHostIp];

    /// <summary>
    /// The union of the capability (or, where the runtime sends none, of the static key), of Mesos' port mappings and of
    /// PORTS in CNI_ARGS.
    /// </summary>
    /// <exception cref="CniException">
    /// <see cref="CniErrorCode.InvalidNetworkConfig"/>, naming the entry; <see cref="CniErrorCode.PortTaken"/> for a
    /// port of the ephemeral pool, which holds it for whoever gets its slice.
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
            RefusePooled(protocol, PortRange.Single((ushort)port), $"{key}: {mapping}");
            if (!_allowed.Contains(port))
            {
                throw Refuse($"is outside {ConfigurationKeys.Ports}: {_allowed}");
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
                _withHostIp.Add(new RequestedPort(protocol, (ushort)port, address, $"{key}: {mapping}"));
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
            RefusePooled(TransportProtocol.Tcp, range, $"{key} \"{ConfigValue.Shorten(text)}\"");
            if (!_allowed.Contains(range))
            {
                throw ConfigurationKeys.Invalid(key, text, $"has {range}, which is outside {ConfigurationKeys.Ports}: {_allowed}");
            }

            Want(TransportProtocol.Tcp, range);
            Want(TransportProtocol.Udp, range);
        }
    }

    private void RefusePooled(TransportProtocol protocol, PortRange range, string source)
    {
        if (_pool.Overlaps(range))
        {
            throw new CniException(
                CniErrorCode.PortTaken,
                $"port {new PortClaim(protocol, range)} is taken",
                $"the pool {ConfigurationKeys.EphemeralPorts} {_pool} holds it; {source} asks for it");
        }
    }

    private void Want(TransportProtocol protocol, PortRange range)
    {
        if (!_wanted.TryGetValue(protocol, out var ranges))
        {
            _wanted.Add(protocol, ranges = []);
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
