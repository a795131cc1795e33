using CniIsolator.KernelState.Objects;
using CniIsolator.Netlink;

namespace CniIsolator.KernelState.Observation;

/// <summary>What the host has now of what a container has taken over.</summary>
internal static class MasterObservation
{
    /// <summary>A master that cannot be shared any more is a difference like any other.</summary>
    public static MasterState Find(NetlinkConnection host, MasterState planned)
    {
        try
        {
            return planned with { Values = HostConfiguration.Read(host, planned.Wanted, planned.WantedAddress, () => [planned.Values.Address]).Values };
        }
        catch (IsolationException e)
        {
            return planned with { Obstacle = e.Message };
        }
    }
}
