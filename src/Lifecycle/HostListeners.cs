using System.Globalization;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Netlink;
using CniIsolator.Netlink.SocketDiagnostics;

namespace CniIsolator.Lifecycle;

/// <summary>Ports on which processes of the host listen, at one moment: they are nobody else's.</summary>
public sealed class HostListeners
{
    private readonly List<Listener> _listeners;

    private HostListeners(List<Listener> listeners) => _listeners = listeners;

    public PortSet Ports => PortSet.FromPorts(_listeners.Select(l => l.Port));

    public static HostListeners Read()
    {
        using var diagnostics = NetlinkConnection.Open(Netlink.Protocol.NetlinkFamily.SocketDiagnostics);
        return new HostListeners(Listeners.List(diagnostics));
    }

    /// <exception cref="IsolationException">101: a process listens on one of these ports.</exception>
    public void Refuse(IEnumerable<PortClaim> claims)
    {
        foreach (var claim in claims)
        {
            if (_listeners.Find(l => l.Protocol == (byte)claim.Protocol && claim.Range.Contains(l.Port)) is { } listener)
            {
                throw Taken(
                    new PortClaim(claim.Protocol, PortRange.Single(listener.Port)).ToString(),
                    string.Create(CultureInfo.InvariantCulture, $"a host process of user {listener.Owner} listens on {listener.Address}"));
            }
        }
    }

    public static IsolationException Taken(string ports, string holder) =>
        new(IsolationFault.PortTaken, $"port {ports} is taken", holder);
}
