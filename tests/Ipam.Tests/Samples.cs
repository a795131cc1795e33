namespace CniIsolator.Ipam.Tests;

internal static class Samples
{
    internal static Attachment Attachment(
        string containerId = "c0ffee", PortRange? slice = null, int slot = 1, params PortClaim[] claims) => new()
        {
            Network = "shared",
            ContainerId = containerId,
            IfName = "eth0",
            Netns = "/run/netns/" + containerId,
            NetnsDevice = 4,
            NetnsInode = 4026532481,
            BootId = "0f4a3b1c-6c8e-4a57-9d57-2f0b8f1e6a11",
            HostNetns = "4:4026531840",
            IfIndex = 17,
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
            Slice = slice ?? PortRange.Parse("32768-33791"),
            Claims = claims,
            Egress = new RateLimit(37_500_000, 75_000_000, 64_000),
            Ingress = null,
            HostLoopback = HostLoopback.Allow,
            Args = new OrderedDictionary<string, string>
            {
                ["K8S_POD_NAMESPACE"] = "default",
                ["K8S_POD_NAME"] = "web+1 <ä>",
                ["CPUS"] = "2",
            },
            Created = new DateTimeOffset(2026, 3, 1, 12, 30, 0, 250, TimeSpan.Zero),
            CreatorPid = 4711,
            CreatorStartTime = 123456789,
        };

    internal static Attachment WithEverything() =>
        Attachment(claims: [new(TransportProtocol.Tcp, PortRange.Single(31005)), new(TransportProtocol.Udp, PortRange.Parse("31010-31019")), new(TransportProtocol.Sctp, PortRange.Single(0))]);

    /// <summary>With every member that a record need not have.</summary>
    internal static Attachment Changing() => WithEverything() with
    {
        Ingress = new RateLimit(500_000, 500_000, 16_000),
        PlainQueue = true,
        Flow = 1023,
        DropsUnmatched = true,
        NetworkPorts = "31000-31999,33000",
        NetworkPool = "32768-57343",
        CgroupPath = "kubepods-burstable-pod7.slice:cri-containerd:c0ffee",
        Generation = 1,
        Changed = new DateTimeOffset(2026, 3, 2, 8, 0, 0, TimeSpan.Zero),
        Change = new AttachmentChange([new(TransportProtocol.Tcp, PortRange.Parse("31006-31007"))], new RateLimit(1_000_000, 2_000_000, 32_000), null),
        Rebuilt = true,
    };

    internal static HostRecord Host() => new()
    {
        HostNetns = "4:4026531840",
        Master = "eth0",
        MasterIfIndex = 2,
        CreatedMasterQdisc = true,
        CreatedLoopbackQdisc = false,
        LoopbackMac = "00:00:00:00:00:00",
        Sysctls = new OrderedDictionary<string, string>
        {
            ["net/ipv4/conf/lo/route_localnet"] = "0",
            ["net/ipv4/conf/eth0/accept_local"] = "1",
        },
    };
}
