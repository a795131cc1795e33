using System.Net;
using System.Text;
using CniIsolator.Exporter.Rates;
using CniIsolator.Exporter.Sampling;
using CniIsolator.Exporter.Snmp;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.SocketDiagnostics;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Exporter.Tests;

internal static class Samples
{
    internal static readonly DateTimeOffset Time = new(2026, 3, 1, 12, 30, 0, 250, TimeSpan.Zero);

    /// <summary>Eight different numbers, the largest where 53 bits do not hold it.</summary>
    internal static readonly LinkCounters Counters = new()
    {
        ReceivedPackets = 11,
        SentPackets = 12,
        ReceivedBytes = 1300,
        SentBytes = ulong.MaxValue,
        ReceiveErrors = 15,
        SendErrors = 16,
        ReceiveDropped = 17,
        SendDropped = 18,
    };

    /// <summary>A different number in each place.</summary>
    internal static readonly ContainerResources Resources = new()
    {
        CpuLimit = 1.1,
        CpuUserSeconds = 123.49,
        CpuSystemSeconds = 2667.06,
        CpuPeriods = 16314,
        CpuThrottledPeriods = 16313,
        CpuThrottledSeconds = 8036.840845388,
        MemoryLimit = 167772160,
        MemorySoftLimit = 33554432,
        MemoryUsage = 9945088,
        Anonymous = 8388608,
        File = 16384,
        MappedFile = 8192,
        Unevictable = 4096,
        Swap = 12288,
        MemoryAndSwap = 9957376,
        MemoryAndSwapLimit = ulong.MaxValue,
    };

    /// <summary>A whole /proc/net/snmp of Linux 6.18; it has fields and tables of which a Mesos agent knows nothing.</summary>
    internal const string SnmpFile = """
        Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates OutTransmits
        Ip: 2 64 101 102 103 104 105 106 107 108 109 110 0 112 113 114 115 116 117 118
        Icmp: InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors OutRateLimitGlobal OutRateLimitHost OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps OutTimestamps OutTimestampReps OutAddrMasks OutAddrMaskReps
        Icmp: 201 202 203 204 205 206 207 208 209 210 211 212 213 214 215 216 217 218 219 220 221 222 223 224 225 226 227 228 229
        IcmpMsg: InType3 OutType3
        IcmpMsg: 7 8
        Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors
        Tcp: 1 200 120000 -1 305 306 307 308 309 310 311 312 313 314 315
        Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
        Udp: 401 402 403 404 405 406 407 408 409
        UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
        UdpLite: 501 502 503 504 505 506 507 508 509

        """;

    internal static Attachment Attachment(string containerId = "c0ffee", int slot = 1) => new()
    {
        Key = new AttachmentKey("shared", containerId, "eth0"),
        State = AttachmentState.Ready,
        Namespace = new NamespaceReference("/run/netns/" + containerId, 4, 4026532481),
        MadeOn = new HostReference("0f4a3b1c-6c8e-4a57-9d57-2f0b8f1e6a11", "4:4026531840"),
        Numbers = new KernelNumbers { HostEnd = 100 + slot, ContainerEnd = 2, Slot = slot },
        Host = new HostValues
        {
            Master = "eth0",
            MasterIndex = 2,
            Mac = "02:42:ac:11:00:02",
            Mtu = 1500,
            Address = IPAddress.Parse("192.0.2.10"),
            PrefixLength = 24,
            Gateway = IPAddress.Parse("192.0.2.1"),
        },
        Ports = new OwnedPorts
        {
            Slice = PortRange.Parse($"{32768 + (slot * 1024)}-{32768 + (slot * 1024) + 1023}"),
            Claims = [],
            NetworkPool = "32768-57343",
        },
        HostLoopback = HostLoopback.Allow,
        Args = [],
        Created = Time,
        Process = new ProcessIdentity(4711, 123456789),
    };

    /// <summary>The same of another container or network.</summary>
    internal static Attachment Of(this Attachment attachment, string network, string? containerId = null, string? ifName = null) =>
        attachment with { Key = new AttachmentKey(network, containerId ?? attachment.Key.ContainerId, ifName ?? attachment.Key.IfName) };

    /// <summary>The same with other ports.</summary>
    internal static Attachment Owning(this Attachment attachment, PortRange slice, params IReadOnlyList<PortClaim> claims) =>
        attachment with { Ports = attachment.Ports with { Slice = slice, Claims = claims } };

    /// <summary>The same in another namespace.</summary>
    internal static Attachment In(this Attachment attachment, NamespaceIdentity identity) =>
        attachment with { Namespace = attachment.Namespace with { Device = identity.Device, Inode = identity.Inode } };

    /// <summary>A pod with ports, limits and a name that has everything to be escaped; and a container of which little is known.</summary>
    internal static Sample Sample() => Of(
        new ContainerSample(
            Attachment("a1") with
            {
                Ports = Attachment("a1").Ports with
                {
                    Claims = [new(TransportProtocol.Tcp, PortRange.Single(31005)), new(TransportProtocol.Udp, PortRange.Parse("31010-31019"))],
                },
                Limits = new Limits(new RateLimit(37_500_000, 75_000_000, 64_000), new RateLimit(500_000, 500_000, 16_000)),
                Args = new() { ["K8S_POD_NAMESPACE"] = "default", ["K8S_POD_NAME"] = "we\"b\\\n<ä>" },
            },
            Counters)
        {
            Queues =
            [
                new("bw_limit", Queue(100), null),
                new("bloat_reduction", Queue(200), new FqCodelStatistics { EcnMarks = 208 }),
                new("ingress_bw_limit", Queue(300), null),
                new("ingress_bloat_reduction", Queue(400), new FqCodelStatistics { EcnMarks = 408 }),
            ],
            ForeignSourcePackets = 19,
            EgressInForce = false,
            IngressInForce = true,
            Resources = Resources,
            Ports =
            [
                new PortTraffic(null, PortRange.Parse("33792-34815"), 501, 502),
                new PortTraffic(TransportProtocol.Tcp, PortRange.Single(31005), 503, 504),
                new PortTraffic(TransportProtocol.Udp, PortRange.Parse("31010-31019"), 505, 506),
            ],
            Rates = new RateStatistics(
                new RateSettings(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(0.5)),
                [.. Enumerable.Range(1, RateSeries.Kinds - 1).Select(kind => new Percentiles(kind, kind + 0.7, kind + 0.1, kind + 0.2, kind + 0.3, kind + 0.4, kind + 0.5, kind + 0.6, 120)), null]),
        },
        new ContainerSample(Attachment("b2", 2), default) { Resources = new ContainerResources { CpuUserSeconds = 0 } });

    /// <summary>All that namespaces tell; little of it, as older kernels and a summary do; and one that could not be entered.</summary>
    internal static Sample Inside() => Of(
        new ContainerSample(Attachment("a1"), Counters)
        {
            Sockets = new SocketSample
            {
                ActiveConnections = 5,
                TimeWaitConnections = 2,
                RetransmittedSegments = 312,
                EphemeralPortsInUse = 4,
                UnownedPorts = [new BoundPort(6, 80), new BoundPort(17, 53)],
                RoundTrips = new RoundTrips(38, 250, 1000, 1_234_567),
            },
            Snmp = Snmp(SnmpFile),
        },
        new ContainerSample(Attachment("b2", 2), default)
        {
            Sockets = new SocketSample { ActiveConnections = 0, TimeWaitConnections = 0 },
            Snmp = Snmp("Tcp: MaxConn RetransSegs\nTcp: -1 0\n"),
        },
        new ContainerSample(Attachment("c3", 3), default));

    private static SnmpSample? Snmp(string text) => SnmpParser.Parse(Encoding.UTF8.GetBytes(text));

    /// <summary>Numbers that tell which is which.</summary>
    private static QueueStatistics Queue(uint first) => new(first + 1, first + 2, first + 3, first + 4, first + 5, first + 6, first + 7);

    internal static Sample Of(params ContainerSample[] containers) => new()
    {
        Time = Time,
        Duration = TimeSpan.FromMilliseconds(1.5),
        Containers = containers,
        Capacity = new Capacity(24576, 2048, [new NetworkCapacity("shared", new SliceCapacity(24, 22, 8192), 22, 1001, 11)]),
        UnreadableRecords = 1,
        Faults = [3, .. new ulong[FaultLog.Sources.Count - 1]],
        Fault = null,
    };
}
