using CniIsolator.Netlink.Protocol;

namespace CniIsolator.Netlink.Route;

/// <summary>Operations on the ids by which a network namespace knows others, such as that of a veth's far end.</summary>
public static class NamespaceIds
{
    private const int NotAssigned = -1; // NETNSA_NSID_NOT_ASSIGNED

    /// <summary>
    /// The id that the connection's namespace has for another one, or null where it has none: no link of its own leads there, or none was looked at
    /// yet.
    /// Equivalent to: what <c>ip netns list</c> asks for each name (<c>ip netns list-id</c> shows all).
    /// </summary>
    /// <param name="connection">A connection into the namespace that knows the other.</param>
    /// <param name="descriptor">The other namespace, open in this process.</param>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public static int? Find(NetlinkConnection connection, int descriptor)
    {
        int? id = null;
        connection.Get(
            Request(descriptor),
            received =>
            {
                foreach (var attribute in received.Attributes<NamespaceIdHeader>())
                {
                    if ((NamespaceIdAttribute)attribute.Type == NamespaceIdAttribute.Id && attribute.As<int>() is var found and not NotAssigned)
                    {
                        id = found;
                    }
                }
            });
        return id;
    }

    internal static NetlinkBatch Request(int descriptor)
    {
        var request = new NetlinkBatch(64);
        using var message = request.Message((ushort)RouteMessage.GetNamespaceId, MessageFlags.None, "look up the id of a network namespace");
        message.Structure(new NamespaceIdHeader());
        message.Attribute(NamespaceIdAttribute.Descriptor, descriptor);
        return request;
    }
}
