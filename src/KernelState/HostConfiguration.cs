using System.Net;
using CniIsolator.Ipam;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;

namespace CniIsolator.KernelState;

public sealed record HostConfiguration(
    Link Master, LinkAddress Address, InternetAddress? Gateway, bool HasDefaultRoute, PortRange EphemeralRange)
{
    public static HostConfiguration Read(NetlinkConnection host, string? masterName, IPAddress? wanted, Func<IReadOnlyCollection<IPAddress>> shared) => throw new NotImplementedException();

    /// <summary>What a container takes over.</summary>
    public HostValues Values => new()
    {
        Master = Master.Name,
        MasterIndex = Master.Index,
        Mac = Master.Mac.ToString(),
        Mtu = (int)Master.Mtu,
        Address = new IPAddress(Address.Address.ToBytes()),
        PrefixLength = Address.PrefixLength,
        Gateway = Gateway is { } gateway ? new IPAddress(gateway.ToBytes()) : null,
    };
}
