using CniIsolator.Exporter.Rates;
using CniIsolator.Exporter.Snmp;
using CniIsolator.Ipam;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Exporter.Sampling;

/// <summary>One container interface at one moment, filled in source by source. What could not be known is null or missing, never 0.</summary>
/// <param name="Attachment">Its record.</param>
/// <param name="HostEnd">The counters of its host end: what that sends, the container receives.</param>
internal sealed record ContainerSample(Attachment Attachment, LinkCounters HostEnd)
{
    /// <summary>The queues of its limits.</summary>
    public IReadOnlyList<QueueSample> Queues { get; set; } = [];

    /// <summary>
    /// Packets that it sent and the host dropped, as the source port, the address or the protocol is not the container's to use; null
    /// where the host's stack drops them, which does not count them by container.
    /// </summary>
    public ulong? ForeignSourcePackets { get; set; }

    /// <summary>Whether the shaper of what it sends is there; null without a limit, or where its namespace cannot be looked into.</summary>
    public bool? EgressInForce { get; set; }

    /// <summary>Whether the shaper of what it receives is there; null without a limit, or where the qdiscs could not be read.</summary>
    public bool? IngressInForce { get; set; }

    /// <summary>What came to its ports, range by range; empty unless asked for.</summary>
    public IReadOnlyList<PortTraffic> Ports { get; set; } = [];

    /// <summary>Percentiles of its rates; null unless asked for.</summary>
    public RateStatistics? Rates { get; set; }

    /// <summary>Its sockets; null unless asked for, or where its namespace cannot be entered.</summary>
    public SocketSample? Sockets { get; set; }

    /// <summary>What its cgroup tells; null where that is not known.</summary>
    public ContainerResources? Resources { get; set; }

    /// <summary>What the kernel counts of its IPv4 protocols; null unless asked for, or where its namespace cannot be entered.</summary>
    public SnmpSample? Snmp { get; set; }

    /// <summary>What is not as the record says, for people.</summary>
    public IReadOnlyList<string> Warnings { get; set; } = [];

    /// <summary>Whether the shaper of a limit is there; warns where it is not.</summary>
    /// <param name="device">The qdiscs of the device that it should be on; null where there are none.</param>
    /// <param name="does">What the container does with the packets that are limited.</param>
    public bool WarnUnlessInForce(DeviceQueues? device, string does)
    {
        if (device is { HasLimit: true })
        {
            return true;
        }

        Warnings = [.. Warnings, $"the limit of what it {does} is not in force: the shaper is missing"];
        return false;
    }
}

/// <summary>A queue of a limit and what was counted there.</summary>
/// <param name="Id">What Mesos calls it: <c>bw_limit</c>, <c>bloat_reduction</c>, and the same with <c>ingress_</c>.</param>
/// <param name="Counters">Since it was made.</param>
/// <param name="FqCodel">What an fq_codel counts besides.</param>
internal sealed record QueueSample(string Id, QueueStatistics Counters, FqCodelStatistics? FqCodel)
{
    public const string Limit = "bw_limit";
    public const string FairQueue = "bloat_reduction";

    /// <summary>Stands before the names of queues for what a container receives.</summary>
    public const string Ingress = "ingress_";
}
