using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;

namespace CniIsolator.Exporter.Namespaces;

/// <summary>
/// What is kept open in a container's namespace, so that it is entered once and not for each sample. It keeps the namespace alive, and
/// with it the container's interface: it must not be kept longer than the container.
/// </summary>
internal sealed class NamespaceHandle : IDisposable
{
    /// <summary>As many descriptors as one can have.</summary>
    public const int MostDescriptors = 5;

    private NamespaceHandle(NamespaceHandleParts parts) => Parts = parts;

    /// <summary>What was asked for; a file that the kernel does not have is null nevertheless.</summary>
    public NamespaceHandleParts Parts { get; }

    /// <summary>Asks and is answered about the container's links, addresses and queues.</summary>
    public NetlinkConnection? Route { get; private set; }

    /// <summary>Asks about the container's sockets.</summary>
    public NetlinkConnection? Sockets { get; private set; }

    public NamespaceFile? SocketCounts { get; private set; }

    /// <summary>Null also where the kernel has no IPv6.</summary>
    public NamespaceFile? SocketCounts6 { get; private set; }

    public NamespaceFile? Protocols { get; private set; }

    /// <summary>Enters the namespace and opens what is asked for.</summary>
    /// <param name="container">The namespace; it need not be kept.</param>
    /// <param name="parts">What to open.</param>
    /// <param name="buffer">Room for answers, of <see cref="NetlinkConnection.BufferBytes"/>, which all handles share.</param>
    /// <exception cref="IOException">The namespace cannot be entered, or something in it not be opened.</exception>
    public static NamespaceHandle Open(NetworkNamespace container, NamespaceHandleParts parts, byte[] buffer) => container.Run(() =>
    {
        var handle = new NamespaceHandle(parts);
        try
        {
            handle.Route = parts.HasFlag(NamespaceHandleParts.Route) ? NetlinkConnection.Open(NetlinkFamily.Route, buffer) : null;
            handle.Sockets = parts.HasFlag(NamespaceHandleParts.Sockets) ? NetlinkConnection.Open(NetlinkFamily.SocketDiagnostics, buffer) : null;
            handle.SocketCounts = parts.HasFlag(NamespaceHandleParts.SocketCounts) ? NamespaceFile.TryOpen("sockstat") : null;
            handle.SocketCounts6 = parts.HasFlag(NamespaceHandleParts.SocketCounts6) ? NamespaceFile.TryOpen("sockstat6") : null;
            handle.Protocols = parts.HasFlag(NamespaceHandleParts.Protocols) ? NamespaceFile.TryOpen("snmp") : null;
            return handle;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    });

    public void Dispose()
    {
        Route?.Dispose();
        Sockets?.Dispose();
        SocketCounts?.Dispose();
        SocketCounts6?.Dispose();
        Protocols?.Dispose();
    }
}
