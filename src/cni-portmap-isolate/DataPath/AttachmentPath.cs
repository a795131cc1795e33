using CniIsolator.Ipam;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Plugin.DataPath;

/// <summary>Everything that the filters of one attachment are computed from: equal input gives equal filters.</summary>
/// <param name="Master">Index of the host interface whose address is shared.</param>
/// <param name="HostEnd">Index of the veth's end on the host.</param>
/// <param name="ContainerEnd">Index of the veth's end in the container.</param>
/// <param name="Slot">1 to 4095, unique among the host's attachments.</param>
/// <param name="Address">The shared address.</param>
/// <param name="Mac">The master's MAC, which both ends carry.</param>
/// <param name="Slice">The container's ephemeral ports, owned for every protocol.</param>
/// <param name="Claims">Its fixed ports.</param>
/// <param name="HostLoopback">Whether 127.0.0.1 is shared with the host.</param>
public sealed record AttachmentPath(
    int Master,
    int HostEnd,
    int ContainerEnd,
    int Slot,
    InternetAddress Address,
    MacAddress Mac,
    PortRange Slice,
    IReadOnlyList<PortClaim> Claims,
    bool HostLoopback)
{
    /// <summary>The protocols whose packets carry ports where u32 looks for them.</summary>
    public static readonly TransportProtocol[] Protocols = [TransportProtocol.Tcp, TransportProtocol.Udp, TransportProtocol.Sctp];

    /// <summary>Fixed ports of one protocol as ranges that a u32 key can express.</summary>
    public IEnumerable<PortRange> ClaimedRanges(TransportProtocol protocol) =>
        PortSet.From(Claims.Where(c => c.Protocol == protocol).Select(c => c.Range)).Decompose();

    /// <summary>The slice and the fixed ports of one protocol as ranges that a u32 key can express.</summary>
    public IEnumerable<PortRange> OwnedRanges(TransportProtocol protocol) => ClaimedRanges(protocol).Prepend(Slice);
}
