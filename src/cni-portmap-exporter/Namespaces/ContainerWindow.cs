using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;

namespace CniIsolator.Exporter.Namespaces;

/// <summary>
/// What is kept open in a container's namespace, so that it is entered once and not for each sample. It keeps the namespace alive, and
/// with it the container's interface: it must not be kept longer than the container.
/// </summary>
internal sealed class ContainerWindow : IDisposable
{
    /// <summary>As many descriptors as one can have.</summary>
    public const int MostDescriptors = 5;

    private ContainerWindow(WindowParts parts) => Parts = parts;

    /// <summary>What was asked for; a file that the kernel does not have is null nevertheless.</summary>
    public WindowParts Parts { get; }

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
    /// <param name="buffer">Room for answers, of <see cref="NetlinkConnection.BufferBytes"/>, which all windows share.</param>
    /// <exception cref="IOException">The namespace cannot be entered, or something in it not be opened.</exception>
    public static ContainerWindow Open(NetworkNamespace container, WindowParts parts, byte[] buffer) => container.Run(() =>
    {
        var window = new ContainerWindow(parts);
        try
        {
            window.Route = parts.HasFlag(WindowParts.Route) ? NetlinkConnection.Open(NetlinkFamily.Route, buffer) : null;
            window.Sockets = parts.HasFlag(WindowParts.Sockets) ? NetlinkConnection.Open(NetlinkFamily.SocketDiagnostics, buffer) : null;
            window.SocketCounts = parts.HasFlag(WindowParts.SocketCounts) ? NamespaceFile.TryOpen("sockstat") : null;
            window.SocketCounts6 = parts.HasFlag(WindowParts.SocketCounts6) ? NamespaceFile.TryOpen("sockstat6") : null;
            window.Protocols = parts.HasFlag(WindowParts.Protocols) ? NamespaceFile.TryOpen("snmp") : null;
            return window;
        }
        catch
        {
            window.Dispose();
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
