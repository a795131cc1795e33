using System.Net;
using CniIsolator.Cni;
using CniIsolator.Ipam;

namespace CniIsolator.Plugin.Configuration;

/// <summary>A single port somebody asked for with a host address of his own choice.</summary>
/// <param name="Protocol">Its protocol.</param>
/// <param name="Port">1 to 65535.</param>
/// <param name="HostIp">The address; never one that means "any".</param>
/// <param name="Source">Where it is asked for and how, for messages.</param>
public sealed record RequestedPort(TransportProtocol Protocol, ushort Port, IPAddress HostIp, string Source)
{
    /// <summary>Throws unless the address is the host's: the container has no other one that the port could be at.</summary>
    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>.</exception>
    internal void CheckHostIp(IPAddress hostAddress)
    {
        if (!HostIp.Equals(hostAddress))
        {
            throw new CniException(
                CniErrorCode.InvalidNetworkConfig,
                $"{Source}: hostIP {HostIp} is not the address containers share, {hostAddress}",
                "leave hostIP out, or use 0.0.0.0");
        }
    }
}
