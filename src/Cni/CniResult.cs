using System.Collections.Immutable;

namespace CniIsolator.Cni;

/// <summary>An interface of a result.</summary>
/// <param name="Name">Its name where it is.</param>
/// <param name="Mac">Its hardware address, "02:00:00:00:00:01"; null if it has none.</param>
/// <param name="Mtu">In bytes; written from version 1.1.0 on.</param>
/// <param name="Sandbox">CNI_NETNS exactly as given, for an interface of the container; null for one of the host.</param>
public sealed record CniInterface(string Name, string? Mac = null, uint? Mtu = null, string? Sandbox = null)
{
    /// <summary>Absolute path of a socket, from version 1.1.0 on; only ever passed on.</summary>
    public string? SocketPath { get; init; }

    /// <summary>Device on the PCI bus, from version 1.1.0 on; only ever passed on.</summary>
    public string? PciId { get; init; }
}

/// <summary>An address of a result.</summary>
/// <param name="Address">With its prefix length, "192.0.2.5/24".</param>
/// <param name="Gateway">Default gateway of the subnet, or null.</param>
/// <param name="Interface">Index into the interfaces, or null.</param>
public sealed record CniIp(string Address, string? Gateway = null, int? Interface = null)
{
    /// <summary>Whether it is an IPv6 address.</summary>
    public bool IsIpV6 => Address.Contains(':', StringComparison.Ordinal);
}

/// <summary>A route of a result.</summary>
/// <param name="Destination">In CIDR notation, "0.0.0.0/0".</param>
/// <param name="Gateway">Next hop, or null.</param>
public sealed record CniRoute(string Destination, string? Gateway = null)
{
    /// <summary>The members since 1.1.0 - mtu, advmss, priority, table, scope - that are only ever passed on.</summary>
    public ImmutableArray<KeyValuePair<string, long>> Details { get; init; } = [];

    /// <summary>Whether its destination is IPv6.</summary>
    public bool IsIpV6 => Destination.Contains(':', StringComparison.Ordinal);
}

/// <summary>Name servers and search domains, in the result and in the configuration ("well-known" key dns).</summary>
public sealed record CniDns
{
    public ImmutableArray<string> Nameservers { get; init; } = [];

    public string? Domain { get; init; }

    public ImmutableArray<string> Search { get; init; } = [];

    public ImmutableArray<string> Options { get; init; } = [];

    /// <summary>Whether it says nothing.</summary>
    public bool IsEmpty => Nameservers.IsEmpty && string.IsNullOrEmpty(Domain) && Search.IsEmpty && Options.IsEmpty;

    internal static CniDns? Read(ConfigValue value) => value.IsPresent
        ? new CniDns
        {
            Nameservers = ReadStrings(value.Member("nameservers")),
            Domain = value.Member("domain").AsString() is { Length: > 0 } domain ? domain : null,
            Search = ReadStrings(value.Member("search")),
            Options = ReadStrings(value.Member("options")),
        }
        : null;

    private static ImmutableArray<string> ReadStrings(ConfigValue list) =>
        [.. list.Items().Select(item => item.AsString()).OfType<string>()];
}

/// <summary>What ADD yields. One shape for all versions; <see cref="ToJson"/> gives it the shape of one of them.</summary>
public sealed record CniResult
{
    public ImmutableArray<CniInterface> Interfaces { get; init; } = [];

    public ImmutableArray<CniIp> Ips { get; init; } = [];

    public ImmutableArray<CniRoute> Routes { get; init; } = [];

    public CniDns? Dns { get; init; }

    /// <summary>
    /// This result behind that of the plugins before: theirs first, the indexes of our addresses shifted. Our DNS
    /// settings win if we have any (specification 1.1.0, section 3: a chained ADD outputs prevResult, modified).
    /// </summary>
    public CniResult AppendedTo(CniResult previous) => new()
    {
        Interfaces = [.. previous.Interfaces, .. Interfaces],
        Ips =
        [
            .. previous.Ips,
            .. Ips.Select(ip => ip with { Interface = ip.Interface + previous.Interfaces.Length }),
        ],
        Routes = [.. previous.Routes, .. Routes],
        Dns = Dns is { IsEmpty: false } ? Dns : previous.Dns,
    };

    /// <summary>The result as indented UTF-8 JSON in a version's shape, without a newline at the end.</summary>
    /// <exception cref="CniException">
    /// <see cref="CniErrorCode.Internal"/>: 0.1.0 and 0.2.0 cannot express a result without an address.
    /// </exception>
    public byte[] ToJson(CniVersion version) => CniResultWriter.Write(this, version);

    /// <summary>Reads a result of any version; which one shows in its members.</summary>
    /// <exception cref="CniException"><see cref="CniErrorCode.DecodingFailure"/>, naming the member.</exception>
    public static CniResult Read(ConfigValue value) => CniResultReader.Read(value with { ErrorCode = CniErrorCode.DecodingFailure });
}
