namespace CniIsolator.Ipam;

/// <summary>Transport protocols whose ports are owned separately; values as in netinet/in.h.</summary>
public enum TransportProtocol : byte
{
    Tcp = 6, // IPPROTO_TCP
    Udp = 17, // IPPROTO_UDP
    Sctp = 132, // IPPROTO_SCTP
}

/// <summary>Ports of one protocol that a container owns.</summary>
public readonly record struct PortClaim(TransportProtocol Protocol, PortRange Range)
{
    public override string ToString() =>
        $"{Protocol switch { TransportProtocol.Tcp => "tcp", TransportProtocol.Udp => "udp", _ => "sctp" }}/{Range}";
}
