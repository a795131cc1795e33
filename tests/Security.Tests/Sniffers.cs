using CniIsolator.Testbed;

namespace CniIsolator.Security.Tests;

/// <summary>Listeners at every place that a container's packets could come to.</summary>
public sealed class Sniffers : IDisposable
{
    private const int Sctp = 132;

    private readonly List<(Places Place, PacketSocket Socket)> _devices = [];
    private readonly List<RawSocket> _host = [];

    /// <summary>Everywhere but in C1.</summary>
    public Sniffers(Site site)
    {
        Open(Places.Wire, site.Out, Topology.OutInterface);
        Open(Places.Loopback, site.Host, "lo");
        Open(Places.Neighbour, site.C2.Place, "eth0");
        if (site.Topology.Transit is { } transit)
        {
            Open(Places.Transit, transit, "eth0");
        }

        foreach (int protocol in new int[] { Frames.ProtocolUdp, Frames.ProtocolTcp, Frames.ProtocolIcmp, Sctp, 4, 47, 136 })
        {
            _host.Add(RawSocket.Open(site.Host, protocol));
        }
    }

    /// <summary>Where a mark has been seen so far.</summary>
    public Places Seen(Mark mark)
    {
        Places seen = _host.Exists(mark.Seen) ? Places.Host : Places.None;
        return _devices.Where(one => mark.Seen(one.Socket)).Aggregate(seen, (all, one) => all | one.Place);
    }

    public void WaitFor(Mark mark, Places places) => Wait.Until(() => (Seen(mark) & places) == places, $"a packet that may pass at {places}");

    public void Dispose()
    {
        foreach ((_, PacketSocket socket) in _devices)
        {
            socket.Dispose();
        }

        foreach (RawSocket socket in _host)
        {
            socket.Dispose();
        }
    }

    private void Open(Places place, Namespace where, string device) => _devices.Add((place, PacketSocket.Open(where, device, frame => !frame.Outgoing)));
}
