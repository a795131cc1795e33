using CniIsolator.Exporter.Sampling;
using CniIsolator.Ipam;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.SocketDiagnostics;

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
            Counters),
        new ContainerSample(Attachment("b2", 2), default));

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

    internal static Sample Of(params ContainerSample[] containers) => new()
    {
        Time = Time,
        Duration = TimeSpan.FromMilliseconds(1.5),
        Containers = containers,
        Pool = new PoolUse(24576, 2048),
        UnreadableRecords = 1,
        Errors = new ScrapeErrors(3, 0),
        Fault = null,
    };
}
