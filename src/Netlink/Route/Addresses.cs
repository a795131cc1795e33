using System.Globalization;
using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;

namespace CniIsolator.Netlink.Route;

/// <summary>An IPv4 address on a link.</summary>
public sealed record LinkAddress(int Index, InternetAddress Address, byte PrefixLength, byte Scope, bool Secondary)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Address}/{PrefixLength}");
}

/// <summary>Operations on IPv4 addresses.</summary>
public static class Addresses
{
    private const byte SecondaryFlag = 0x01; // IFA_F_SECONDARY

    /// <summary>Equivalent to: <c>ip addr add ADDRESS/PREFIX dev INDEX</c>, with the broadcast address of the prefix.</summary>
    public static void Add(NetlinkBatch batch, int index, InternetAddress address, byte prefixLength)
    {
        using var message = batch.Message(
            (ushort)RouteMessage.NewAddress, MessageFlags.Create | MessageFlags.Exclusive, $"add address {address}/{prefixLength}");
        message.Structure(new AddressHeader { Family = AddressFamily.InterNetwork, PrefixLength = prefixLength, Index = index });
        message.Attribute(AddressAttribute.Local, address.ToBytes());
        message.Attribute(AddressAttribute.Address, address.ToBytes());
        if (prefixLength < 31)
        {
            message.Attribute(AddressAttribute.Broadcast, new InternetAddress(address.Bits | (uint.MaxValue >> prefixLength)).ToBytes());
        }
    }

    /// <summary>Removes an address; its absence is success. Equivalent to: <c>ip addr del ADDRESS/PREFIX dev INDEX</c>.</summary>
    public static void Delete(NetlinkBatch batch, int index, InternetAddress address, byte prefixLength)
    {
        using var message = batch.Message(
            (ushort)RouteMessage.DeleteAddress, MessageFlags.None, $"remove address {address}/{prefixLength}", Errno.AddressNotAvailable, Errno.NoSuchDevice);
        message.Structure(new AddressHeader { Family = AddressFamily.InterNetwork, PrefixLength = prefixLength, Index = index });
        message.Attribute(AddressAttribute.Local, address.ToBytes());

        // Without it the kernel takes the address of any prefix.
        message.Attribute(AddressAttribute.Address, address.ToBytes());
    }

    /// <summary>Equivalent to: <c>ip -4 addr show dev INDEX</c>, or of all links for index 0.</summary>
    public static List<LinkAddress> List(NetlinkConnection connection, int index)
    {
        var request = new NetlinkBatch(256);
        using (var message = request.Message((ushort)RouteMessage.GetAddress, MessageFlags.Dump, "list addresses"))
        {
            message.Structure(new AddressHeader { Family = AddressFamily.InterNetwork, Index = index });
        }

        var addresses = new List<LinkAddress>();
        connection.Dump(
            request,
            received =>
            {
                var header = received.Structure<AddressHeader>();
                if (index != 0 && header.Index != index)
                {
                    return; // Kernels before 4.20 ignore the index in the request.
                }

                InternetAddress? local = null;
                foreach (var attribute in received.Attributes<AddressHeader>())
                {
                    // IFA_ADDRESS is the peer's address on point-to-point links; IFA_LOCAL is ours.
                    if ((AddressAttribute)attribute.Type == AddressAttribute.Local
                        || ((AddressAttribute)attribute.Type == AddressAttribute.Address && local is null))
                    {
                        local = InternetAddress.FromWire(attribute.Value);
                    }
                }

                if (local is { } address)
                {
                    addresses.Add(new LinkAddress(
                        header.Index, address, header.PrefixLength, header.Scope, (header.Flags & SecondaryFlag) != 0));
                }
            },
            addresses.Clear);
        return addresses;
    }
}
