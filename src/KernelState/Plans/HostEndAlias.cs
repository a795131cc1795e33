using CniIsolator.Ipam;

namespace CniIsolator.KernelState.Plans;

/// <summary>
/// The alias of a host end, which tells a person, and a record that is rebuilt, which container it leads to: "portmap-isolate NETWORK CONTAINER
/// IFNAME".
/// </summary>
public static class HostEndAlias
{
    private const string Prefix = "portmap-isolate ";

    private const int Longest = 255; // IFALIASZ less its NUL

    /// <summary>The alias, or null where it is too long for the kernel.</summary>
    public static string? OrNull(AttachmentKey key) =>
        $"{Prefix}{key.Network} {key.ContainerId} {key.IfName}" is { Length: <= Longest } alias ? alias : null;

    /// <summary>The key in an alias, or null. A key too long for the kernel's 255 bytes has been left out of it.</summary>
    public static AttachmentKey? Parse(string? alias) =>
        alias is not null
        && alias.StartsWith(Prefix, StringComparison.Ordinal)
        && alias[Prefix.Length..].Split(' ') is [var network, var container, var ifName]
            ? new AttachmentKey(network, container, ifName)
            : null;
}
