using CniIsolator.Exporter.Sampling;
using CniIsolator.Ipam;
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

    internal static Attachment Attachment(string containerId = "c0ffee", int slot = 1) => new()
    {
        Network = "shared",
        ContainerId = containerId,
        IfName = "eth0",
        Netns = "/run/netns/" + containerId,
        NetnsDevice = 4,
        NetnsInode = 4026532481,
        BootId = "0f4a3b1c-6c8e-4a57-9d57-2f0b8f1e6a11",
        HostNetns = "4:4026531840",
        IfIndex = 100 + slot,
        ContainerIfIndex = 2,
        Slot = slot,
        State = AttachmentState.Ready,
        Master = "eth0",
        MasterIfIndex = 2,
        Mac = "02:42:ac:11:00:02",
        Mtu = 1500,
        Address = "192.0.2.10",
        PrefixLength = 24,
        Gateway = "192.0.2.1",
        Slice = PortRange.Parse($"{32768 + (slot * 1024)}-{32768 + (slot * 1024) + 1023}"),
        Claims = [],
        Egress = null,
        Ingress = null,
        HostLoopback = HostLoopback.Allow,
        Args = [],
        Created = Time,
        NetworkPool = "32768-57343",
        CreatorPid = 4711,
        CreatorStartTime = 123456789,
    };

    /// <summary>A pod with ports, limits and a name that has everything to be escaped; and a container of which little is known.</summary>
    internal static Sample Sample() => Of(
        new ContainerSample(
            Attachment("a1") with
            {
                Claims = [new(TransportProtocol.Tcp, PortRange.Single(31005)), new(TransportProtocol.Udp, PortRange.Parse("31010-31019"))],
                Egress = new RateLimit(37_500_000, 75_000_000, 64_000),
                Ingress = new RateLimit(500_000, 500_000, 16_000),
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
            Snmp = SnmpTests.Parse(SnmpTests.File),
        },
        new ContainerSample(Attachment("b2", 2), default)
        {
            Sockets = new SocketSample { ActiveConnections = 0, TimeWaitConnections = 0 },
            Snmp = SnmpTests.Parse("Tcp: MaxConn RetransSegs\nTcp: -1 0\n"),
        },
        new ContainerSample(Attachment("c3", 3), default));

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
