using System.Collections.Immutable;

namespace CniIsolator.Cni;

/// <summary>Reads the result that another plugin, or this one, has written.</summary>
internal static class CniResultReader
{
    /// <summary>Route members that version 1.1.0 added, in the order they are written.</summary>
    public static readonly ImmutableArray<string> RouteDetails = ["mtu", "advmss", "priority", "table", "scope"];

    public static CniResult Read(ConfigValue value)
    {
        var dns = CniDns.Read(value.Member("dns"));
        var ip4 = value.Member("ip4");
        var ip6 = value.Member("ip6");
        if (ip4.IsPresent || ip6.IsPresent)
        {
            ConfigValue[] families = [.. new[] { ip4, ip6 }.Where(f => f.IsPresent)];
            return new CniResult
            {
                Ips = [.. families.Select(f => new CniIp(Require(f.Member("ip")), f.Member("gateway").AsString()))],
                Routes = [.. families.SelectMany(f => f.Member("routes").Items()).Select(ReadRoute)],
                Dns = dns,
            };
        }

        var interfaces = value.Member("interfaces").Items();
        return new CniResult
        {
            Interfaces = [.. interfaces.Select(ReadInterface)],
            Ips = [.. value.Member("ips").Items().Select(ip => ReadIp(ip, interfaces.Count))],
            Routes = [.. value.Member("routes").Items().Select(ReadRoute)],
            Dns = dns,
        };
    }

    private static CniInterface ReadInterface(ConfigValue value) => new(
        Require(value.Member("name")),
        NonEmpty(value.Member("mac")),
        (uint?)value.Member("mtu").AsInteger(0, uint.MaxValue),
        NonEmpty(value.Member("sandbox")))
    {
        SocketPath = NonEmpty(value.Member("socketPath")),
        PciId = NonEmpty(value.Member("pciID")),
    };

    private static CniIp ReadIp(ConfigValue value, int interfaces)
    {
        // -1 is how the reference library's first versions wrote "no interface".
        var index = value.Member("interface");
        var none = index.TryGetNumber(out var number) && number < 0;
        return new CniIp(
            Require(value.Member("address")),
            NonEmpty(value.Member("gateway")),
            none || !index.IsPresent ? null
                : interfaces == 0 ? throw index.Invalid("points at none of 0 interfaces")
                : (int?)index.AsInteger(0, (ulong)interfaces - 1));
    }

    private static CniRoute ReadRoute(ConfigValue value) => new(Require(value.Member("dst")), NonEmpty(value.Member("gw")))
    {
        Details =
        [
            .. from name in RouteDetails
               let detail = value.Member(name).AsInteger(0, uint.MaxValue)
               where detail is not null
               select KeyValuePair.Create(name, (long)detail.Value),
        ],
    };

    private static string Require(ConfigValue value) =>
        NonEmpty(value) ?? throw value.Invalid("is no value for it");

    private static string? NonEmpty(ConfigValue value) => value.AsString() is { Length: > 0 } text ? text : null;
}
