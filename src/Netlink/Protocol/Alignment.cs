namespace CniIsolator.Netlink.Protocol;

/// <summary>Sizes on the wire. Source: linux/netlink.h.</summary>
internal static class Alignment
{
    public const int HeaderLength = 16; // NLMSG_HDRLEN
    public const int AttributeHeaderLength = 4; // NLA_HDRLEN
    public const ushort AttributeNested = 0x8000; // NLA_F_NESTED
    public const ushort AttributeTypeMask = 0x3fff; // NLA_TYPE_MASK

    /// <summary>NLMSG_ALIGN and NLA_ALIGN: up to the next multiple of four.</summary>
    public static int Align(int length) => (length + 3) & ~3;
}
