using CniIsolator.Ipam;
using CniIsolator.Netlink.Route;

namespace CniIsolator.DataPath;

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
/// <param name="Flow">Its queue in the master's fq_codel, 0 for none.</param>
/// <param name="Generation">0 or 1: which range of nodes the filters on the container's own devices have.</param>
public sealed record AttachmentPath(
    int Master,
    int HostEnd,
    int ContainerEnd,
    int Slot,
    InternetAddress Address,
    MacAddress Mac,
    PortRange Slice,
    IReadOnlyList<PortClaim> Claims,
    bool HostLoopback,
    int Flow = 0,
    int Generation = 0)
{
    /// <summary>
    /// How many blocks of fixed ports there may be, over all protocols: each is a node of one bucket for every generation, and a
    /// bucket has 4095.
    /// </summary>
    public const int MostBlocks = 2000;

    private const int SecondGeneration = 0x800;

    /// <summary>The protocols whose packets carry ports where u32 looks for them.</summary>
    public static readonly TransportProtocol[] Protocols = [TransportProtocol.Tcp, TransportProtocol.Udp, TransportProtocol.Sctp];

    /// <summary>The first of the nodes that the filters for owned ranges have on the container's own devices.</summary>
    public int FirstNode => FirstNodeOf(Generation);

    public static int FirstNodeOf(int generation) => generation == 0 ? 1 : SecondGeneration;

    /// <summary>What an attachment's filters are computed from.</summary>
    public static AttachmentPath Of(Attachment attachment) => new(
        attachment.Host.MasterIndex,
        attachment.Numbers.HostEnd,
        attachment.Numbers.ContainerEnd,
        attachment.Numbers.Slot,
        InternetAddress.From(attachment.Host.Address),
        MacAddress.Parse(attachment.Host.Mac),
        attachment.Ports.Slice,
        attachment.Ports.Claims,
        attachment.HostLoopback == Ipam.HostLoopback.Allow,
        attachment.Numbers.Flow,
        attachment.Numbers.Generation);

    /// <summary>Aligned blocks that fixed ports fall into, over all protocols.</summary>
    public static int CountBlocks(IEnumerable<PortClaim> claims) =>
        claims.GroupBy(c => c.Protocol).Sum(g => PortSet.From(g.Select(c => c.Range)).Decompose().Count());

    /// <summary>Fixed ports of one protocol as ranges that a u32 key can express.</summary>
    public IEnumerable<PortRange> ClaimedRanges(TransportProtocol protocol) =>
        PortSet.From(Claims.Where(c => c.Protocol == protocol).Select(c => c.Range)).Decompose();

    /// <summary>The slice and the fixed ports of one protocol as ranges that a u32 key can express.</summary>
    public IEnumerable<PortRange> OwnedRanges(TransportProtocol protocol) => ClaimedRanges(protocol).Prepend(Slice);
}
