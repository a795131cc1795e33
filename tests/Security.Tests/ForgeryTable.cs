using System.Buffers.Binary;
using System.Net;
using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>The frames that C1 tries. It owns its fixed port and its slice, of every protocol that has ports; nothing else.</summary>
public sealed class ForgeryTable(Site site)
{
    private const ushort Vlan = 0x8100;
    private const ushort ServiceVlan = 0x88a8;

    private static readonly IPAddress Foreign = IPAddress.Parse("10.77.0.99");
    private static readonly MacAddress ForeignMac = MacAddress.Parse("02:00:00:00:00:99");

    private readonly List<Forgery> _all = [];

    private IPEndPoint Own => site.AtHost(site.C1.Port);

    private IPEndPoint Server => site.AtOut();

    private IPEndPoint HostServer => site.AtHost(Site.ServerPort);

    public static IReadOnlyList<Forgery> All(Site site)
    {
        ForgeryTable table = new(site);
        table.AddTags();
        table.AddOtherEtherTypes();
        table.AddHeaders();
        table.AddAddresses();
        table.AddPorts();
        table.AddProtocols();
        table.AddFragments();
        table.AddIcmp();
        table.AddQuotes();
        table.AddArp();
        return table._all;
    }

    private void Add(string name, Places allowed, Func<Mark, byte[]> frame)
    {
        Mark mark = new();
        _all.Add(new Forgery(name, frame(mark), allowed, mark));
    }

    /// <summary>The same packet to the wire and to the host.</summary>
    private void AddBoth(string name, Func<IPEndPoint, Mark, byte[]> packet, Places wire = Places.None, Places host = Places.None)
    {
        Add($"{name}, to the wire", wire, mark => site.ToOut(packet(Server, mark)));
        Add($"{name}, to the host", host, mark => site.ToHost(packet(HostServer, mark)));
    }

    private static byte[] Tagged(byte[] frame, params (ushort EtherType, ushort Tag)[] tags)
    {
        List<byte> bytes = [.. frame[..12]];
        foreach ((ushort type, ushort tag) in tags)
        {
            bytes.AddRange([(byte)(type >> 8), (byte)type, (byte)(tag >> 8), (byte)tag]);
        }

        return [.. bytes, .. frame[12..]];
    }

    private void AddTags()
    {
        (string Name, (ushort, ushort)[] Tags)[] tags =
        [
            ("a priority tag", [(Vlan, 0xe000)]), ("a VLAN tag", [(Vlan, 5)]), ("a service VLAN tag", [(ServiceVlan, 5)]),
            ("a service priority tag", [(ServiceVlan, 0xe000)]), ("nested VLAN tags", [(ServiceVlan, 5), (Vlan, 6)]),
            ("nested priority tags", [(Vlan, 0), (Vlan, 0)]), ("three tags", [(Vlan, 0), (Vlan, 0), (Vlan, 0)]),
        ];
        foreach ((string name, (ushort, ushort)[] list) in tags)
        {
            foreach (int port in new[] { site.C1.Port, site.C2.Port })
            {
                Add($"{name}, from {port}, to the wire", Places.None, mark => Tagged(site.ToOut(Frames.Udp(site.AtHost(port), Server, mark.Bytes)), list));
                Add($"{name}, from {port}, to the host", Places.None, mark => Tagged(site.ToHost(Frames.Udp(site.AtHost(port), HostServer, mark.Bytes)), list));
                Add($"{name}, from {port}, to the neighbour", Places.None, mark => Tagged(site.ToHost(Frames.Udp(site.AtHost(port), site.AtHost(site.C2.Port), mark.Bytes)), list));
            }

            Add($"{name}, an ARP reply", Places.None, mark => Tagged(Arp(mark, 2, site.Topology.HostMac, site.OutAddress, site.HostAddress), list));
        }
    }

    private void AddOtherEtherTypes()
    {
        // IPv6, MPLS, PPPoE, 802.1X, LLDP, RARP, wake on LAN, loopback test, batman, and a length: 802.3 with a bridge's LLC header.
        foreach (ushort type in new ushort[] { 0x86dd, 0x8847, 0x8848, 0x8863, 0x8864, 0x888e, 0x88cc, 0x8035, 0x0842, 0x9000, 0x4305, 0x0026, 0 })
        {
            foreach (MacAddress to in new[] { site.Topology.OutMac, site.Topology.HostMac, MacAddress.Broadcast, MacAddress.Parse("01:80:c2:00:00:00") })
            {
                Add($"Ethernet type {type:x4} to {to}", Places.None, mark => Frames.Ethernet(to, site.Topology.HostMac, type, Frames.Udp(Own, Server, mark.Bytes)));
            }
        }
    }

    private void AddHeaders()
    {
        AddBoth("IP version 6 behind the type of IPv4", (to, mark) => Changed(Frames.Udp(Own, to, mark.Bytes), packet => packet[0] = 0x65));
        AddBoth("IP version 0", (to, mark) => Changed(Frames.Udp(Own, to, mark.Bytes), packet => packet[0] = 0x05));

        // With so short a header its own bytes stand where the ports would: all of these are in the first container's slice.
        AddBoth("a header of 0 words", (to, mark) => Changed(Frames.Udp(site.AtHost(site.C2.Port), to, mark.Bytes), packet => packet[0] = 0x40));
        AddBoth("a header of 1 word", (to, mark) => Changed(Frames.Udp(site.AtHost(site.C2.Port), to, mark.Bytes, id: (ushort)site.C1.Port), packet => packet[0] = 0x41));
        AddBoth("a header of 2 words", (to, mark) => Changed(Frames.Udp(site.AtHost(site.C2.Port), to, mark.Bytes, ttl: (byte)(site.C1.SliceBegin >> 8)), packet => packet[0] = 0x42));
        AddBoth("a header of 4 words", (to, mark) => Changed(Frames.Udp(Own, to, mark.Bytes), packet => packet[0] = 0x44));
        AddBoth("a header of 15 words, which hides the ports", (to, mark) => Changed(Frames.Udp(Own, to, [.. new byte[60], .. mark.Bytes]), packet => packet[0] = 0x4f));
        Add("a frame of an Ethernet header and the mark", Places.None, mark => site.ToOut(mark.Bytes));
        Add("a frame that ends behind the addresses", Places.None, mark => site.ToOut(
            Changed(Frames.Udp(Own, Server, []), packet => mark.Bytes.CopyTo(packet, 4))[..20]));

        // Right to the last: what is behind the packet's end is not the packet's, and the receiver drops it.
        AddBoth("a total length of too much", (to, mark) => Length(Frames.Udp(Own, to, mark.Bytes), 1000), Places.Wire, Places.Loopback);
        AddBoth("a total length without ports", (to, mark) => Length(Frames.Udp(Own, to, mark.Bytes), 20), Places.Wire, Places.Loopback);
        AddBoth("options", (to, mark) => Frames.Udp(site.AtHost(site.C2.Port), to, mark.Bytes, options: [7, 7, 4, 0, 0, 0, 0, 0]));
    }

    private void AddAddresses()
    {
        foreach (string source in new[] { "10.77.0.99", "10.77.0.1", "198.51.100.7", "10.88.0.2", "10.88.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "127.0.0.2", "169.254.1.1" })
        {
            IPEndPoint from = new(IPAddress.Parse(source), site.C1.Port);
            AddBoth($"from {from}", (to, mark) => Frames.Udp(from, to, mark.Bytes));
            AddBoth($"from {from}, a SYN", (to, mark) => Frames.Tcp(from, to, payload: mark.Bytes));
            AddBoth($"an echo request from {source}", (to, mark) => Frames.IPv4(from.Address, to.Address, Frames.ProtocolIcmp, Frames.IcmpEcho(8, 1, 1, mark.Bytes)));
        }

        Add("from 127.0.0.1 to the wire", Places.None, mark => site.ToOut(Frames.Udp(new(IPAddress.Loopback, site.C1.Port), Server, mark.Bytes)));
        Add("from 127.0.0.1 to the transit network", Places.None, mark => site.ToHost(Frames.Udp(new(IPAddress.Loopback, site.C1.Port), new(site.Topology.TransitAddress, 7007), mark.Bytes)));
        foreach (string target in new[] { "127.0.0.2", "127.255.255.254", "127.0.0.0" })
        {
            Add($"to {target}", Places.None, mark => site.ToHost(Frames.Udp(Own, new(IPAddress.Parse(target), Site.ServerPort), mark.Bytes)));
            Add($"from 127.0.0.1 to {target}", Places.None, mark => site.ToHost(Frames.Udp(new(IPAddress.Loopback, site.C1.Port), new(IPAddress.Parse(target), Site.ServerPort), mark.Bytes)));
        }

        Add("a foreign source MAC, to the wire", Places.None, mark => Frames.Ethernet(site.Topology.OutMac, ForeignMac, Frames.EtherTypeIPv4, Frames.Udp(Own, Server, mark.Bytes)));
        Add("the router's MAC as source", Places.None, mark => Frames.Ethernet(MacAddress.Broadcast, site.Topology.OutMac, Frames.EtherTypeIPv4, Frames.Udp(Own, Server, mark.Bytes)));

        // The host's other networks are reached by the wire, as the shared address's own, and not by the host's forwarding.
        Add("to the transit network", Places.Wire, mark => site.ToHost(Frames.Udp(Own, new(site.Topology.TransitAddress, Site.ServerPort), mark.Bytes)));
        Add("to the host's other address", Places.Wire, mark => site.ToHost(Frames.Udp(Own, new(IPAddress.Parse("10.88.0.1"), Site.ServerPort), mark.Bytes)));

        // From a port of its own a container may send to all.
        Add("a broadcast from an owned port", Places.Wire, mark => Broadcast(Frames.Udp(Own, new(IPAddress.Broadcast, 9), mark.Bytes)));
        Add("a multicast from an owned port", Places.Wire, mark => Broadcast(Frames.Udp(Own, IPEndPoint.Parse("224.0.0.251:5353"), mark.Bytes)));
    }

    private void AddPorts()
    {
        foreach (int port in new[] { 0, 53, Site.ServerPort, site.C2.Port, site.C2.SliceBegin, site.C2.SliceEnd, site.C1.SliceBegin - 1, site.C1.SliceEnd + 1, 65535 })
        {
            AddBoth($"from port {port}", (to, mark) => Frames.Udp(site.AtHost(port), to, mark.Bytes));
            AddBoth($"a segment from port {port}", (to, mark) => Frames.Tcp(site.AtHost(port), to, flags: 4 | Frames.TcpAckFlag, payload: mark.Bytes));
            Add($"from port {port}, to the neighbour", Places.None, mark => site.ToHost(Frames.Udp(site.AtHost(port), site.AtHost(site.C2.Port), mark.Bytes)));
            AddBoth($"SCTP from port {port}", (to, mark) => Frames.IPv4(site.HostAddress, to.Address, 132, [.. Ports(port, to.Port), .. mark.Bytes]));
        }

        // A client of DHCP without an address, one with it, and a server.
        foreach ((IPAddress source, int port) in new[] { (IPAddress.Any, 68), (site.HostAddress, 68), (site.HostAddress, 67), (IPAddress.Any, site.C1.Port) })
        {
            foreach (IPAddress target in new[] { IPAddress.Broadcast, IPAddress.Parse("10.77.0.255"), IPAddress.Parse("224.0.0.1"), site.OutAddress })
            {
                Add($"DHCP from {source}:{port} to {target}", Places.None, mark => Broadcast(Frames.Udp(new(source, port), new(target, port == 68 ? 67 : 68), mark.Bytes)));
            }
        }

        AddBoth("from an owned port", (to, mark) => Frames.Udp(Own, to, mark.Bytes), Places.Wire, Places.Loopback | Places.Host);
        Add("from an owned port to the neighbour", Places.Loopback | Places.Neighbour, mark => site.ToHost(Frames.Udp(Own, site.AtHost(site.C2.Port), mark.Bytes)));
    }

    private void AddProtocols()
    {
        // Hop-by-hop, IGMP, IPIP, EGP, DCCP, 6in4, RSVP, GRE, ESP, AH, EIGRP, OSPF, PIM, VRRP, L2TP, UDP-Lite, raw: their first bytes are owned ports.
        foreach (byte protocol in new byte[] { 0, 2, 4, 8, 33, 41, 46, 47, 50, 51, 88, 89, 103, 112, 115, 136, 255 })
        {
            AddBoth($"protocol {protocol}", (to, mark) => Frames.IPv4(site.HostAddress, to.Address, protocol, [.. Ports(site.C1.Port, site.C1.Port), .. mark.Bytes]));
            Add($"protocol {protocol} to the neighbour", Places.None, mark =>
                site.ToHost(Frames.IPv4(site.HostAddress, site.HostAddress, protocol, [.. Ports(site.C1.Port, site.C2.Port), .. mark.Bytes])));
        }

        AddBoth("IP in IP, with a packet from an owned port", (to, mark) => Frames.IPv4(site.HostAddress, to.Address, 4, Frames.Udp(Own, to, mark.Bytes)));
    }

    private void AddFragments()
    {
        byte[] Payload(int port, Mark mark) => [.. Ports(port, Site.ServerPort), 0, 40, 0, 0, .. mark.Bytes];
        byte[] Part(IPAddress from, IPAddress to, byte[] payload, int offset, bool more, byte protocol = Frames.ProtocolUdp) =>
            Frames.IPv4(from, to, protocol, payload, id: 4711, fragmentOffset: offset, moreFragments: more);

        AddBoth("a first fragment from a foreign port", (to, mark) => Part(site.HostAddress, to.Address, Payload(site.C2.Port, mark), 0, true));
        AddBoth("a tiny first fragment from a foreign port", (to, mark) => Part(site.HostAddress, to.Address, [.. Ports(site.C2.Port, 9), .. mark.Bytes], 0, true));
        AddBoth("a first fragment of ICMP", (to, mark) => Part(site.HostAddress, to.Address, Frames.Icmp(5, 0, 0, mark.Bytes), 0, true, Frames.ProtocolIcmp));
        foreach (int offset in new[] { 8, 1480, 0x1fff * 8 })
        {
            AddBoth($"a later fragment at {offset} from a foreign address", (to, mark) => Part(Foreign, to.Address, mark.Bytes, offset, false));
            AddBoth($"a later fragment at {offset} from 0.0.0.0", (to, mark) => Part(IPAddress.Any, to.Address, mark.Bytes, offset, false));
            Add($"a later fragment at {offset} from 127.0.0.1 to the wire", Places.None, mark => site.ToOut(Part(IPAddress.Loopback, site.OutAddress, mark.Bytes, offset, false)));
            Add($"a later fragment at {offset} to 127.0.0.2", Places.None, mark => site.ToHost(Part(site.HostAddress, IPAddress.Parse("127.0.0.2"), mark.Bytes, offset, false)));
            Add($"a later fragment at {offset} with a foreign MAC", Places.None, mark =>
                Frames.Ethernet(site.Topology.OutMac, ForeignMac, Frames.EtherTypeIPv4, Part(site.HostAddress, site.OutAddress, mark.Bytes, offset, false)));
            AddBoth($"a later fragment at {offset} with a short header", (to, mark) => Changed(Part(site.HostAddress, to.Address, mark.Bytes, offset, false), packet => packet[0] = 0x43));
        }

        // Later fragments have no ports, and pass: alone nobody can use them. The first one decides what they overlap.
        AddBoth("a first fragment from an owned port", (to, mark) => Part(site.HostAddress, to.Address, Payload(site.C1.Port, mark), 0, true), Places.Wire, Places.Loopback);
        AddBoth("a later fragment that overlaps the first one", (to, mark) => Part(site.HostAddress, to.Address, mark.Bytes, 8, true), Places.Wire, Places.Loopback);
        AddBoth("a second first fragment, from a foreign port", (to, mark) => Part(site.HostAddress, to.Address, Payload(site.C2.Port, mark), 0, true));
    }

    private void AddIcmp()
    {
        // Echo reply, quench, redirect, alternate address, router advertisement and solicitation, timestamp, information, mask.
        foreach (byte type in new byte[] { 0, 4, 5, 6, 9, 10, 13, 14, 15, 16, 17, 18, 30, 40, 42, 43, 255 })
        {
            AddBoth($"ICMP type {type}", (to, mark) => Frames.IPv4(site.HostAddress, to.Address, Frames.ProtocolIcmp, Frames.Icmp(type, 0, 0x0a4d0063, [.. Frames.Udp(to, Own, []), .. mark.Bytes])));
        }

        Add("a redirect to the neighbour", Places.None, mark => site.ToHost(Frames.IPv4(
            site.HostAddress, site.HostAddress, Frames.ProtocolIcmp, Frames.Icmp(5, 1, 0x0a4d0063, [.. Frames.Udp(site.AtHost(site.C2.Port), Server, []), .. mark.Bytes]))));

        // The answer, which quotes it, comes to all: it has no port.
        Add("an echo request to the wire", Places.Wire | Places.Host | Places.Neighbour, mark => site.ToOut(Frames.IPv4(site.HostAddress, site.OutAddress, Frames.ProtocolIcmp, Frames.IcmpEcho(8, 7, 1, mark.Bytes))));
        Add("an echo request to the host", Places.None, mark => site.ToHost(Frames.IPv4(site.HostAddress, site.HostAddress, Frames.ProtocolIcmp, Frames.IcmpEcho(8, 7, 1, mark.Bytes))));
    }

    private void AddQuotes()
    {
        IPEndPoint elsewhere = new(site.Topology.RoutedAddress, site.C1.Port);
        foreach ((byte type, byte code) in new (byte, byte)[] { (3, 1), (3, 3), (3, 4), (3, 13), (11, 0), (11, 1), (12, 0) })
        {
            byte[] Error(IPAddress to, byte[] about, Mark mark) =>
                Frames.IPv4(site.HostAddress, to, Frames.ProtocolIcmp, Frames.Icmp(type, code, 552, [.. about, .. mark.Bytes]));
            string name = $"ICMP error {type}/{code}";
            AddBoth($"{name} about a packet to a neighbour", (to, mark) => Error(to.Address, Frames.Udp(to, site.AtHost(site.C2.Port), []), mark));
            AddBoth($"{name} about a packet to the host", (to, mark) => Error(to.Address, Frames.Udp(to, HostServer, []), mark));
            AddBoth($"{name} about a packet to elsewhere, to a port with the number of an owned one", (to, mark) => Error(to.Address, Frames.Udp(to, elsewhere, []), mark));
            AddBoth($"{name} about a segment to elsewhere", (to, mark) => Error(to.Address, Frames.Tcp(to, elsewhere), mark));
            Add($"{name} about a neighbour's packet to elsewhere", Places.None, mark => site.ToHost(Error(site.HostAddress, Frames.Udp(site.AtHost(site.C2.Port), elsewhere, []), mark)));
            AddBoth($"{name} about a packet with options", (to, mark) => Error(to.Address, Frames.Udp(to, site.AtHost(site.C2.Port), [], options: [1, 1, 1, 1, 1, 1, 1, 1]), mark));
            AddBoth($"{name} about ICMP", (to, mark) => Error(to.Address, Frames.IPv4(to.Address, site.HostAddress, Frames.ProtocolIcmp, Frames.IcmpEcho(8, 1, 1, [])), mark));
            AddBoth($"{name} about half a header", (to, mark) => Frames.IPv4(site.HostAddress, to.Address, Frames.ProtocolIcmp, Frames.Icmp(type, code, 0, mark.Bytes)));

            // Only a router says that the next hop takes no more than so many bytes.
            bool routers = (type, code) == (3, 4);
            AddBoth(
                $"{name} about a packet to an owned port", (to, mark) => Error(to.Address, Frames.Udp(to, Own, []), mark),
                routers ? Places.None : Places.Wire, routers ? Places.None : Places.Loopback | Places.Host);
        }
    }

    private void AddArp()
    {
        MacAddress own = site.Topology.HostMac;
        foreach (ushort operation in new ushort[] { 0, 2, 3, 4, 8, 9 })
        {
            foreach (IPAddress sender in new[] { site.HostAddress, site.OutAddress, Foreign })
            {
                Add($"ARP operation {operation} from {sender}", Places.None, mark => Arp(mark, operation, own, sender, site.OutAddress));
                Add($"ARP operation {operation} from {sender} with a foreign MAC", Places.None, mark => Arp(mark, operation, ForeignMac, sender, site.HostAddress));
            }
        }

        foreach (IPAddress sender in new[] { site.OutAddress, Foreign, IPAddress.Any, IPAddress.Broadcast, IPAddress.Loopback })
        {
            Add($"an ARP request from {sender}", Places.None, mark => Arp(mark, 1, own, sender, site.OutAddress));
            Add($"a gratuitous ARP request from {sender}", Places.None, mark => Arp(mark, 1, own, sender, sender));
        }

        Add("an ARP request with a foreign MAC for the shared address", Places.None, mark => Arp(mark, 1, ForeignMac, site.HostAddress, site.OutAddress));
        Add("a gratuitous ARP request with a foreign MAC", Places.None, mark => Arp(mark, 1, ForeignMac, site.HostAddress, site.HostAddress));
        Add("an ARP request with a foreign Ethernet source", Places.None, mark =>
            Frames.Ethernet(MacAddress.Broadcast, ForeignMac, Frames.EtherTypeArp, [.. Frames.Arp(1, own, site.HostAddress, default, site.OutAddress), .. mark.Bytes]));
        foreach ((int at, byte value) in new (int, byte)[] { (1, 6), (2, 0x86), (3, 0xdd), (4, 8), (4, 0), (5, 16), (5, 0) })
        {
            Add($"an ARP request with {value} in byte {at}", Places.None, mark => Changed(Arp(mark, 1, own, site.HostAddress, site.OutAddress), frame => frame[14 + at] = value));
        }

        Add("an ARP request in the name of the shared address", Places.Wire, mark => Arp(mark, 1, own, site.HostAddress, Foreign));
    }

    private byte[] Arp(Mark mark, ushort operation, MacAddress senderMac, IPAddress sender, IPAddress target) => Frames.Ethernet(
        MacAddress.Broadcast, site.Topology.HostMac, Frames.EtherTypeArp, [.. Frames.Arp(operation, senderMac, sender, default, target), .. mark.Bytes]);

    private byte[] Broadcast(byte[] packet) => Frames.Ethernet(MacAddress.Broadcast, site.Topology.HostMac, Frames.EtherTypeIPv4, packet);

    private static byte[] Ports(int source, int destination) => [(byte)(source >> 8), (byte)source, (byte)(destination >> 8), (byte)destination];

    private static byte[] Length(byte[] packet, ushort length) => Changed(packet, bytes => BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(2), length));

    /// <summary>With a header checksum that is right afterwards, where a whole header is left.</summary>
    private static byte[] Changed(byte[] packet, Action<byte[]> change)
    {
        change(packet);
        if (packet[0] >> 4 == 4 && (packet[0] & 15) >= 5)
        {
            packet.AsSpan(10, 2).Clear();
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), Frames.Checksum(packet.AsSpan(0, (packet[0] & 15) * 4)));
        }

        return packet;
    }
}
