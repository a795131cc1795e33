using CniIsolator.Ipam;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.SocketDiagnostics;

namespace CniIsolator.Exporter.Sampling;

/// <summary>What a network has to give out.</summary>
/// <param name="Network">Its name.</param>
/// <param name="Slices">Slices of the network's usual size; networks that share a pool share them.</param>
/// <param name="Placeable">Containers with a slice of the usual size that an ADD would take now.</param>
/// <param name="Ports">Ports in the ranges that fixed ports are given from, 0 to 65536.</param>
/// <param name="PortsInUse">Of these, ports that a container owns for some protocol.</param>
internal sealed record NetworkCapacity(string Network, SliceCapacity Slices, int Placeable, int Ports, int PortsInUse);

/// <summary>What is there to be given out on this host.</summary>
/// <param name="EphemeralPorts">Ports in all pools of ephemeral ports, 0 to 65536; null while no network is known.</param>
/// <param name="EphemeralPortsInUse">Ports in slices that containers hold.</param>
/// <param name="Networks">By name.</param>
internal sealed record Capacity(int? EphemeralPorts, int EphemeralPortsInUse, IReadOnlyList<NetworkCapacity> Networks)
{
    /// <param name="networks">Those of this host.</param>
    /// <param name="own">All attachments of this host.</param>
    /// <param name="listening">Ports that processes of the host listen on: no slice has one of these.</param>
    public static Capacity Of(IReadOnlyList<NetworkRecord> networks, IReadOnlyList<Attachment> own, PortSet listening)
    {
        var space = new PortSpace(own);
        var slots = AttachmentSlot.Last - AttachmentSlot.First + 1 - own.Count;
        var claimed = PortSet.From(own.SelectMany(a => a.OwnedClaims).Select(c => c.Range));
        List<NetworkCapacity> capacities = [];
        foreach (var network in networks)
        {
            var slices = SliceAllocator.Capacity(PortSet.Parse(network.EphemeralPorts), space.Owned, network.EphemeralPortsPerContainer, listening);
            var ports = PortSet.Parse(network.Ports);
            capacities.Add(new NetworkCapacity(network.Name, slices, Math.Max(0, Math.Min(slices.Free, slots)), ports.Count, ports.Intersect(claimed).Count));
        }

        capacities.Sort(static (a, b) => string.CompareOrdinal(a.Network, b.Network));
        var pools = PortSet.From(Pools(networks, own).SelectMany(pool => PortSet.Parse(pool).Ranges));
        return new Capacity(pools.IsEmpty ? null : pools.Count, PortSet.From(own.Select(a => a.Ports.Slice)).Count, capacities);
    }

    /// <summary>Networks may share a pool; records made before networks were noted have it, too.</summary>
    private static HashSet<string> Pools(IReadOnlyList<NetworkRecord> networks, IReadOnlyList<Attachment> own)
    {
        var pools = new HashSet<string>();
        foreach (var network in networks)
        {
            pools.Add(network.EphemeralPorts);
        }

        foreach (var attachment in own)
        {
            if (attachment.Ports.NetworkPool is { } pool)
            {
                pools.Add(pool);
            }
        }

        return pools;
    }
}

/// <summary>Computes the capacity where something has changed that it follows from.</summary>
internal sealed class CapacitySource(TimeProvider clock)
{
    // Listing a host's sockets costs much more than the rest, and who listens changes seldom.
    private static readonly TimeSpan ListenersAge = TimeSpan.FromSeconds(10);

    private long? _listed;
    private PortSet _listening = PortSet.Empty;
    private StoreContent? _content;
    private Capacity? _capacity;

    /// <exception cref="NetlinkException">The kernel does not tell who listens.</exception>
    public Capacity Of(StoreContent content, IReadOnlyList<NetworkRecord> networks, IReadOnlyList<Attachment> own)
    {
        if (_listed is not { } listed || clock.GetElapsedTime(listed) > ListenersAge)
        {
            using var diagnostics = NetlinkConnection.Open(NetlinkFamily.SocketDiagnostics);
            _listed = clock.GetTimestamp();
            _listening = PortSet.FromPorts(Listeners.List(diagnostics).ConvertAll(l => l.Port));
            _capacity = null;
        }

        if (_capacity is null || !ReferenceEquals(_content, content))
        {
            (_content, _capacity) = (content, Capacity.Of(networks, own, _listening));
        }

        return _capacity;
    }
}
