using System.Net;
using System.Net.Sockets;
using System.Text.Json.Serialization;

namespace CniIsolator.Ipam;

/// <summary>What a container takes over from the host.</summary>
public sealed record HostValues
{
    /// <summary>Host interface whose address is shared.</summary>
    public required string Master { get; init; }

    /// <summary>Its index, greater than 0.</summary>
    public required int MasterIndex { get; init; }

    /// <summary>Its MAC: six hexadecimal pairs joined by colons.</summary>
    public required string Mac { get; init; }

    /// <summary>Its MTU, bytes.</summary>
    public required int Mtu { get; init; }

    /// <summary>Its IPv4 address.</summary>
    public required IPAddress Address { get; init; }

    /// <summary>0 to 32.</summary>
    public required int PrefixLength { get; init; }

    /// <summary>Next hop of the default route, IPv4; null where there is none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IPAddress? Gateway { get; init; }

    /// <summary>What is wrong beyond what types can express, or null.</summary>
    internal string? FindFault() =>
        MasterIndex <= 0 ? $"masterIndex {MasterIndex} is not greater than 0"
        : !IsMac(Mac) ? $"mac \"{Mac}\" is not an Ethernet address"
        : Address.AddressFamily != AddressFamily.InterNetwork ? $"address \"{Address}\" is not an IPv4 address"
        : PrefixLength is < 0 or > 32 ? $"prefixLength {PrefixLength} is outside 0-32"
        : Gateway is not null && Gateway.AddressFamily != AddressFamily.InterNetwork ? $"gateway \"{Gateway}\" is not an IPv4 address"
        : null;

    /// <summary>Whether a text is six hexadecimal pairs joined by colons.</summary>
    internal static bool IsMac(string text) =>
        text.Length == 17 && Enumerable.Range(0, text.Length).All(i => i % 3 == 2 ? text[i] == ':' : char.IsAsciiHexDigit(text[i]));
}
