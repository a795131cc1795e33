using CniIsolator.Exporter.Formats;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.SocketDiagnostics;

namespace CniIsolator.Exporter.Kubernetes;

/// <summary>What a scheduler is told of a node.</summary>
/// <param name="Total">Slices that the pool has when nothing is owned.</param>
/// <param name="Usable">
/// Of these, slices that pods have or could be given. The scheduler subtracts what pods asked for, whether they run or are about to; so what pods
/// have is not subtracted here, and what others have, or a process of the host spoils, is.
/// </param>
internal readonly record struct SliceCount(int Total, int Usable)
{
    /// <param name="network">What the configuration says.</param>
    /// <param name="own">All attachments of this host.</param>
    /// <param name="listening">Ports that processes of the host listen on.</param>
    public static SliceCount Of(NetworkFile network, IReadOnlyList<Attachment> own, PortSet listening)
    {
        var slots = AttachmentSlot.Last - AttachmentSlot.First + 1;
        var capacity = SliceAllocator.Capacity(network.EphemeralPorts!, new PortSpace(own).Owned, network.EphemeralPortsPerContainer, listening);
        var pods = 0;
        foreach (var attachment in own)
        {
            pods += ContainerNames.Pod(attachment).Length > 0 ? 1 : 0;
        }

        var total = Math.Min(capacity.Total, slots);
        return new SliceCount(total, Math.Clamp(Math.Min(capacity.Free, slots - own.Count) + pods, 0, total));
    }
}

/// <summary>Counts again and again, from the configuration, the plugin's store and the host's listeners. Not for several threads at once.</summary>
internal sealed class SliceCounter : IDisposable
{
    private readonly string _config;
    private readonly StoreReader _store;
    private readonly string _bootId = HostIdentity.BootId;
    private readonly string _hostNetns;

    /// <param name="config">The network's file. Read each time: a store knows a network only from its first container on, which a scheduler would never send.</param>
    /// <param name="stateDir">Where the plugin's store lives.</param>
    /// <exception cref="LinuxException">This process cannot tell its own network namespace.</exception>
    public SliceCounter(string config, string stateDir)
    {
        using var own = NetworkNamespace.OpenCurrent();
        _hostNetns = own.Identity.ToString();
        _config = config;
        _store = new StoreReader(stateDir);
    }

    /// <exception cref="IOException">Configuration or listeners cannot be read.</exception>
    /// <exception cref="StoreException">The store cannot be trusted or read.</exception>
    /// <exception cref="UnauthorizedAccessException">Permission is missing.</exception>
    public SliceCount Take()
    {
        var network = NetworkFile.Read(_config);
        if (network?.EphemeralPorts is null)
        {
            throw new IOException($"{_config}: no {NetworkFile.PluginName} with ephemeralPorts in it");
        }

        List<Attachment> own = [];
        foreach (var attachment in _store.Read().Attachments)
        {
            if (attachment.MadeOn.BootId == _bootId && attachment.MadeOn.Netns == _hostNetns)
            {
                own.Add(attachment);
            }
        }

        using var diagnostics = NetlinkConnection.Open(NetlinkFamily.SocketDiagnostics);
        return SliceCount.Of(network, own, PortSet.FromPorts(Listeners.List(diagnostics).ConvertAll(l => l.Port)));
    }

    public void Dispose() => _store.Dispose();
}
