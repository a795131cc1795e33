using System.Net;

namespace CniIsolator.Ipam.Tests;

internal static class Samples
{
    internal static Attachment Attachment(
        string containerId = "c0ffee", PortRange? slice = null, int slot = 1, params PortClaim[] claims) => new()
        {
            Key = new AttachmentKey("shared", containerId, "eth0"),
            State = AttachmentState.Ready,
            Namespace = new NamespaceReference("/run/netns/" + containerId, 4, 4026532481),
            MadeOn = new HostReference("0f4a3b1c-6c8e-4a57-9d57-2f0b8f1e6a11", "4:4026531840"),
            Numbers = new KernelNumbers { HostEnd = 17, ContainerEnd = 2, Slot = slot },
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
            Ports = new OwnedPorts { Slice = slice ?? PortRange.Parse("32768-33791"), Claims = claims },
            Limits = new Limits(new RateLimit(37_500_000, 75_000_000, 64_000)),
            HostLoopback = HostLoopback.Allow,
            Args = new OrderedDictionary<string, string>
            {
                ["K8S_POD_NAMESPACE"] = "default",
                ["K8S_POD_NAME"] = "web+1 <ä>",
                ["CPUS"] = "2",
            },
            Created = new DateTimeOffset(2026, 3, 1, 12, 30, 0, 250, TimeSpan.Zero),
            Process = new ProcessIdentity(4711, 123456789),
        };

    internal static Attachment WithEverything() =>
        Attachment(claims: [new(TransportProtocol.Tcp, PortRange.Single(31005)), new(TransportProtocol.Udp, PortRange.Parse("31010-31019")), new(TransportProtocol.Sctp, PortRange.Single(0))]);

    /// <summary>With every member that a record need not have.</summary>
    internal static Attachment Changing()
    {
        var whole = WithEverything();
        return whole with
        {
            Numbers = whole.Numbers with { Flow = 1023, Generation = 1 },
            Ports = whole.Ports with { NetworkPorts = "31000-31999,33000", NetworkPool = "32768-57343" },
            Limits = whole.Limits with { Ingress = new RateLimit(500_000, 500_000, 16_000) },
            Features = new KernelFeatures { PlainQueue = true, DropsUnmatched = true, GuardsChecksums = true, FinishesChecksums = true },
            CgroupPath = "kubepods-burstable-pod7.slice:cri-containerd:c0ffee",
            Changed = new DateTimeOffset(2026, 3, 2, 8, 0, 0, TimeSpan.Zero),
            Before = new ContainerBefore
            {
                Sysctls = new OrderedDictionary<string, string> { ["net/ipv4/ip_local_port_range"] = "32768\t60999" },
                HasFilterQdisc = true,
                LoopbackMac = "02:00:00:00:00:01",
                LoopbackMtu = 65536,
                IsLoopbackUp = true,
                HasDefaultRoute = true,
                HasOthers = true,
            },
            Change = new AttachmentChange(
                [new(TransportProtocol.Tcp, PortRange.Parse("31006-31007"))], new Limits(new RateLimit(1_000_000, 2_000_000, 32_000)))
            {
                Host = whole.Host with { MasterIndex = 3, Mtu = 9000, Address = IPAddress.Parse("192.0.2.11"), Gateway = null },
            },
            Rebuilt = true,
        };
    }

    internal static Attachment WithMtu(this Attachment attachment, int mtu) => attachment with { Host = attachment.Host with { Mtu = mtu } };

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
