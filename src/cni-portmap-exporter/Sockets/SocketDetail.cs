namespace CniIsolator.Exporter.Sockets;

/// <summary>How much is told of containers' sockets.</summary>
internal enum SocketDetail
{
    None,

    /// <summary>What the kernel counts anyhow.</summary>
    Summary,

    /// <summary>What is found by looking at each socket, too.</summary>
    Details,
}
