using CniIsolator.Ipam;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using MacAddress = CniIsolator.Netlink.Route.MacAddress;

namespace CniIsolator.Bench.Traffic;

/// <summary>
/// The demultiplexer of Mesos' port mapping isolator: one linear list of filters on the master, a second one on the
/// loopback, with an entry for each of a container's port ranges. Everything else (veth, container, what the container
/// sends) stays as this project's plugin made it, so that only the lists differ.
/// </summary>
internal sealed class MesosList(int master, int target, InternetAddress address, MacAddress mac)
{
    private const ushort ArpPriority = 100;
    private const ushort InternetPriority = 101;
    private const int Root = 0;

    // What surely fits into a socket's send buffer.
    private const int LargestBatch = 256;
    private const int Loopback = 1;

    /// <summary>Replaces the shared tables in the namespace of the calling thread.</summary>
    /// <param name="ranges">Of all containers in the order in which they came; all lead to the one that is measured, since no packet ever asks for the others.</param>
    public void Install(IReadOnlyList<PortRange> ranges)
    {
        using NetlinkConnection connection = NetlinkConnection.Open();
        NetlinkBatch batch = new();
        Qdiscs.DeleteClsact(batch, master, "remove the shared tables");
        Qdiscs.DeleteClsact(batch, Loopback, "remove the shared tables");
        Qdiscs.AddClsact(batch, master, "add clsact to the master");
        Qdiscs.AddClsact(batch, Loopback, "add clsact to lo");
        U32Filters.Add(
            batch,
            Node(new FilterAttachment(master, TcHandle.Ingress, ArpPriority, EthernetProtocol.AddressResolution), 1, [U32Key.Any]) with
            {
                Action = Mirred.Mirror(target, Verdict.Pass),
            },
            "pass on ARP");
        for (int i = 0; i < ranges.Count; i++)
        {
            if (batch.Count >= LargestBatch)
            {
                connection.ExecuteOrThrow(batch);
                batch = new();
            }

            U32Key header = new(0x4500_0000, 0x0f00_0000, 0); // no options, so that ports stand at 20
            U32Key port = new(ranges[i].Begin, ranges[i].Mask, 20);
            U32Key[] onMaster =
            [
                header,
                new U32Key(mac.High, 0x0000_ffff, -16),
                new U32Key(mac.Low, 0xffff_ffff, -12),
                new U32Key(address.Bits, 0xffff_ffff, 16),
                port,
            ];
            U32Filters.Add(batch, Leaf(master, i, onMaster), "add an entry to the master's list");
            U32Filters.Add(batch, Leaf(Loopback, i, [header, port]), "add an entry to the loopback's list");
        }

        connection.ExecuteOrThrow(batch);
    }

    private U32Node Leaf(int device, int position, U32Key[] keys) =>
        Node(new FilterAttachment(device, TcHandle.Ingress, InternetPriority, EthernetProtocol.InternetProtocol), position + 1, keys) with
        {
            Action = Mirred.Redirect(target),
        };

    private static U32Node Node(FilterAttachment at, int node, U32Key[] keys) => new(at, new U32Handle(Root, 0, node), keys);
}
