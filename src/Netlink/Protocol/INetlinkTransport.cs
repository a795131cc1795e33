namespace CniIsolator.Netlink.Protocol;

/// <summary>Carries datagrams to the kernel and back; tests put a kernel of their own behind it.</summary>
public interface INetlinkTransport : IDisposable
{
    /// <summary>The port id that the kernel answers to, and that answers carry.</summary>
    uint PortId { get; }

    void Send(ReadOnlySpan<byte> datagram);

    /// <summary>Waits for one datagram and copies it. Returns its length; throws where it does not fit.</summary>
    int Receive(Span<byte> buffer, out uint senderPortId);
}
