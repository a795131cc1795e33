using System.Text;
using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;

namespace CniIsolator.Netlink.Route;

/// <summary>A link as the kernel shows it.</summary>
public sealed record Link(int Index, string Name, LinkFlags Flags, uint Mtu, MacAddress Mac, string? Kind, string? Alias, int PeerIndex)
{
    /// <summary>The group that somebody put it into; 0 is the one that every link begins in.</summary>
    public uint Group { get; init; }

    /// <summary>The id of the namespace that the peer is in (<see cref="NamespaceIds"/>); null where it is in the same.</summary>
    public int? PeerNamespace { get; init; }

    public bool IsUp => (Flags & LinkFlags.Up) != 0;

    public bool HasCarrier => (Flags & LinkFlags.LowerUp) != 0;

    public bool IsLoopback => (Flags & LinkFlags.Loopback) != 0;
}

/// <summary>One end of a veth pair that is to be made.</summary>
public readonly record struct VethEnd(string Name, int Index);

/// <summary>Operations on links.</summary>
public static class Links
{
    private const uint SkipStatistics = 8; // RTEXT_FILTER_SKIP_STATS
    private const byte AddressGenerationNone = 1; // IN6_ADDR_GEN_MODE_NONE

    /// <summary>
    /// Makes a veth pair: this end in the connection's namespace, the peer directly in another one, both with the
    /// same MAC and MTU, which stand in this one message so that no udev policy can come between.
    /// Equivalent to: <c>ip link add NAME index INDEX address MAC mtu MTU type veth peer name PEER index PINDEX address MAC mtu MTU netns FD</c>.
    /// </summary>
    /// <param name="batch">The batch that takes the message.</param>
    /// <param name="near">This end; its index must be free in the connection's namespace.</param>
    /// <param name="far">The peer; its index must be free in its namespace.</param>
    /// <param name="farNamespace">Descriptor of the peer's namespace, open in this process.</param>
    /// <param name="mac">For both ends.</param>
    /// <param name="mtu">For both ends: the receiving end of a veth decides what passes.</param>
    public static void CreateVeth(NetlinkBatch batch, VethEnd near, VethEnd far, int farNamespace, MacAddress mac, uint mtu)
    {
        using var message = batch.Message(
            (ushort)RouteMessage.NewLink, MessageFlags.Create | MessageFlags.Exclusive, $"create veth {near.Name} with peer {far.Name}");
        message.Structure(new LinkHeader { Index = near.Index });
        Describe(message, near, mac, mtu);
        using (message.Nested(LinkAttribute.LinkInfo))
        {
            message.Attribute(LinkInfoAttribute.Kind, "veth"u8);
            using (message.Nested(LinkInfoAttribute.Data))
            using (message.Nested(VethAttribute.Peer))
            {
                message.Structure(new LinkHeader { Index = far.Index });
                Describe(message, far, mac, mtu);
                message.Attribute(LinkAttribute.NamespaceDescriptor, farNamespace);
            }
        }
    }

    /// <summary>
    /// Brings a link up and changes what is given.
    /// Equivalent to: <c>ip link set dev INDEX up [address MAC] [mtu MTU] [alias TEXT] [addrgenmode none]</c>.
    /// </summary>
    public static void SetUp(NetlinkBatch batch, int index, string operation, MacAddress? mac = null, uint? mtu = null, string? alias = null, bool withoutAutoconfiguration = false)
    {
        using var message = batch.Message((ushort)RouteMessage.SetLink, MessageFlags.None, operation);
        message.Structure(new LinkHeader { Index = index, Flags = LinkFlags.Up, Change = LinkFlags.Up });
        Change(message, mac, mtu, alias);
        if (withoutAutoconfiguration)
        {
            // A link-local address would come with carrier, before a sysctl for the new link could be written.
            using (message.Nested(LinkAttribute.AddressFamilySpecific))
            using (message.Element((ushort)AddressFamily.InterNetworkV6))
            {
                message.Attribute(Inet6LinkAttribute.AddressGenerationMode, AddressGenerationNone);
            }
        }
    }

    /// <summary>Takes a link down; its absence is success. Equivalent to: <c>ip link set dev INDEX down</c>.</summary>
    public static void SetDown(NetlinkBatch batch, int index, string operation)
    {
        using var message = batch.Message((ushort)RouteMessage.SetLink, MessageFlags.None, operation, Errno.NoSuchDevice);
        message.Structure(new LinkHeader { Index = index, Flags = LinkFlags.None, Change = LinkFlags.Up });
    }

    /// <summary>
    /// Puts back MAC, MTU and the administrative state of a link.
    /// Equivalent to: <c>ip link set dev INDEX up|down [address MAC] mtu MTU</c>.
    /// </summary>
    /// <param name="batch">The batch that takes the message.</param>
    /// <param name="index">The link.</param>
    /// <param name="mac">Its MAC; null leaves it, for the kernel never takes back the zeros that a loopback begins with.</param>
    /// <param name="mtu">Bytes.</param>
    /// <param name="up">Whether it is up.</param>
    /// <param name="operation">For error messages.</param>
    public static void Restore(NetlinkBatch batch, int index, MacAddress? mac, uint mtu, bool up, string operation)
    {
        using var message = batch.Message((ushort)RouteMessage.SetLink, MessageFlags.None, operation, Errno.NoSuchDevice);
        message.Structure(new LinkHeader { Index = index, Flags = up ? LinkFlags.Up : LinkFlags.None, Change = LinkFlags.Up });
        Change(message, mac, mtu, null);
    }

    /// <summary>
    /// Sets the MAC of a link, whether up or not. Equivalent to: <c>ip link set dev INDEX address MAC</c>.
    /// </summary>
    public static void SetMac(NetlinkBatch batch, int index, MacAddress mac, string operation)
    {
        using var message = batch.Message((ushort)RouteMessage.SetLink, MessageFlags.None, operation);
        message.Structure(new LinkHeader { Index = index });
        Change(message, mac, null, null);
    }

    /// <summary>Removes a link; its absence is success. Equivalent to: <c>ip link del dev INDEX</c>.</summary>
    public static void Delete(NetlinkBatch batch, int index, string operation)
    {
        using var message = batch.Message((ushort)RouteMessage.DeleteLink, MessageFlags.None, operation, Errno.NoSuchDevice);
        message.Structure(new LinkHeader { Index = index });
    }

    /// <summary>Puts a link into a group; the link's absence is success. Equivalent to: <c>ip link set dev INDEX group GROUP</c>.</summary>
    /// <param name="batch">The batch that takes the message.</param>
    /// <param name="index">The link.</param>
    /// <param name="group">Any 32-bit number; 0 is the group that every link begins in.</param>
    /// <param name="operation">For error messages.</param>
    public static void SetGroup(NetlinkBatch batch, int index, uint group, string operation)
    {
        using var message = batch.Message((ushort)RouteMessage.SetLink, MessageFlags.None, operation, Errno.NoSuchDevice);
        message.Structure(new LinkHeader { Index = index });
        message.Attribute(LinkAttribute.Group, group);
    }

    /// <summary>
    /// Removes every link of a group, whoever put it there, within the grace periods of a single removal; a group without links is
    /// success. The kernel removes none (EOPNOTSUPP) where one of them is a device that cannot be removed.
    /// Equivalent to: <c>ip link del group GROUP</c>.
    /// </summary>
    /// <param name="batch">The batch that takes the message.</param>
    /// <param name="group">Not 0, which the kernel refuses (EPERM): every link begins there.</param>
    /// <param name="operation">For error messages.</param>
    /// <exception cref="ArgumentOutOfRangeException">The group is 0.</exception>
    public static void DeleteGroup(NetlinkBatch batch, uint group, string operation)
    {
        ArgumentOutOfRangeException.ThrowIfZero(group);
        using var message = batch.Message((ushort)RouteMessage.DeleteLink, MessageFlags.None, operation, Errno.NoSuchDevice);
        message.Structure(new LinkHeader());
        message.Attribute(LinkAttribute.Group, group);
    }

    /// <summary>Equivalent to: <c>ip link show dev NAME</c>; null where there is none.</summary>
    public static Link? Find(NetlinkConnection connection, string name) => Find(connection, 0, name);

    /// <summary>Equivalent to: <c>ip link show</c> by index; null where there is none.</summary>
    public static Link? Find(NetlinkConnection connection, int index) => Find(connection, index, null);

    /// <summary>Equivalent to: <c>ip link show</c>.</summary>
    public static List<Link> List(NetlinkConnection connection)
    {
        var request = new NetlinkBatch(256);
        using (var message = request.Message((ushort)RouteMessage.GetLink, MessageFlags.Dump, "list links"))
        {
            message.Structure(new LinkHeader());
            message.Attribute(LinkAttribute.ExtensionMask, SkipStatistics);
        }

        var links = new List<Link>();
        connection.Dump(request, received => links.Add(Parse(received)), links.Clear);
        return links;
    }

    private static Link? Find(NetlinkConnection connection, int index, string? name)
    {
        var request = new NetlinkBatch(256);
        using (var message = request.Message((ushort)RouteMessage.GetLink, MessageFlags.None, $"look up link {name ?? index.ToString(System.Globalization.CultureInfo.InvariantCulture)}"))
        {
            message.Structure(new LinkHeader { Index = index });
            message.Attribute(LinkAttribute.ExtensionMask, SkipStatistics);
            if (name is not null)
            {
                message.Attribute(LinkAttribute.Name, name);
            }
        }

        Link? link = null;
        connection.Get(request, received => link = Parse(received), Errno.NoSuchDevice);
        return link;
    }

    private static void Describe(MessageWriter message, VethEnd end, MacAddress mac, uint mtu)
    {
        message.Attribute(LinkAttribute.Name, end.Name);
        message.Attribute(LinkAttribute.Address, mac.ToBytes());
        message.Attribute(LinkAttribute.Mtu, mtu);
    }

    private static void Change(MessageWriter message, MacAddress? mac, uint? mtu, string? alias)
    {
        if (mac is { } address)
        {
            message.Attribute(LinkAttribute.Address, address.ToBytes());
        }

        if (mtu is { } size)
        {
            message.Attribute(LinkAttribute.Mtu, size);
        }

        if (alias is not null)
        {
            // Without NUL: the kernel would count it, refuse 255 characters, and not see an empty text as removal.
            message.Attribute(LinkAttribute.Alias, Encoding.UTF8.GetBytes(alias));
        }
    }

    private static Link Parse(ReceivedMessage received)
    {
        var header = received.Structure<LinkHeader>();
        var link = new Link(header.Index, "", header.Flags, 0, default, null, null, 0);
        foreach (var attribute in received.Attributes<LinkHeader>())
        {
            switch ((LinkAttribute)attribute.Type)
            {
                case LinkAttribute.Name:
                    link = link with { Name = attribute.AsString() };
                    break;
                case LinkAttribute.Address when attribute.Value.Length == 6:
                    link = link with { Mac = new MacAddress(attribute.Value) };
                    break;
                case LinkAttribute.Mtu:
                    link = link with { Mtu = attribute.As<uint>() };
                    break;
                case LinkAttribute.Alias:
                    link = link with { Alias = attribute.AsString() };
                    break;
                case LinkAttribute.Link:
                    link = link with { PeerIndex = attribute.As<int>() };
                    break;
                case LinkAttribute.LinkNamespaceId:
                    link = link with { PeerNamespace = attribute.As<int>() };
                    break;
                case LinkAttribute.Group:
                    link = link with { Group = attribute.As<uint>() };
                    break;
                case LinkAttribute.LinkInfo:
                    foreach (var nested in attribute.Nested)
                    {
                        if ((LinkInfoAttribute)nested.Type == LinkInfoAttribute.Kind)
                        {
                            link = link with { Kind = nested.AsString() };
                        }
                    }

                    break;
            }
        }

        return link;
    }
}
