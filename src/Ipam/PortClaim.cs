namespace CniIsolator.Ipam;

/// <summary>Transport protocols whose ports are owned separately; values as in netinet/in.h.</summary>
public enum TransportProtocol : byte
{
    Tcp = 6, // IPPROTO_TCP
    Udp = 17, // IPPROTO_UDP
    Sctp = 132, // IPPROTO_SCTP
}

/// <summary>Names of transport protocols, as the store and all outputs have them.</summary>
public static class TransportProtocolNames
{
    /// <summary><c>tcp</c>, <c>udp</c> or <c>sctp</c>.</summary>
    public static string Name(this TransportProtocol protocol) => protocol switch
    {
        TransportProtocol.Tcp => "tcp",
        TransportProtocol.Udp => "udp",
        _ => "sctp",
    };
}

/// <summary>Ports of one protocol that a container owns.</summary>
public readonly record struct PortClaim(TransportProtocol Protocol, PortRange Range)
{
    public override string ToString() =>
        $"{Protocol.Name()}/{Range}";
}
