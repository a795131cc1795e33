namespace CniIsolator.Exporter.Namespaces;

/// <summary>What can be open in a container's namespace, a file descriptor each.</summary>
[Flags]
internal enum NamespaceHandleParts
{
    None = 0,

    /// <summary>A connection to rtnetlink.</summary>
    Route = 1,

    /// <summary>A connection to sock_diag.</summary>
    Sockets = 2,

    /// <summary>/proc/net/sockstat.</summary>
    SocketCounts = 4,

    /// <summary>/proc/net/sockstat6.</summary>
    SocketCounts6 = 8,

    /// <summary>/proc/net/snmp.</summary>
    Protocols = 16,
}
