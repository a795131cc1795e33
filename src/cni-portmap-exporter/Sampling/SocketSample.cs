using CniIsolator.Netlink.SocketDiagnostics;

namespace CniIsolator.Exporter.Sampling;

/// <summary>The sockets of one container at one moment.</summary>
internal sealed record SocketSample
{
    /// <summary>TCP sockets in use, as the kernel's <c>/proc/net/sockstat</c> counts them; null where it does not tell.</summary>
    public long? ActiveConnections { get; init; }

    /// <summary>TCP connections that only wait for their end.</summary>
    public long? TimeWaitConnections { get; init; }

    /// <summary>Segments sent again since the namespace was made.</summary>
    public long? RetransmittedSegments { get; init; }

    /// <summary>Ports of the slice that a TCP or UDP socket has; null unless details were asked for.</summary>
    public int? EphemeralPortsInUse { get; init; }

    /// <summary>
    /// Ports that a socket listens on, or is bound to for datagrams, and that are not the container's: nothing from outside ever arrives
    /// there. Null unless details were asked for.
    /// </summary>
    public IReadOnlyList<BoundPort>? UnownedPorts { get; init; }

    /// <summary>Smoothed round-trip times of the TCP connections; null where none was measured.</summary>
    public RoundTrips? RoundTrips { get; init; }
}

/// <summary>Percentiles of round-trip times over connections, in microseconds.</summary>
internal sealed record RoundTrips(double P50, double P90, double P95, double P99);
