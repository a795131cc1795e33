using System.Globalization;

namespace CniIsolator.Cni;

/// <summary>
/// A port that the runtime wants reachable (the convention "portMappings"). Numbers are 0 to 65535, 0 if the runtime
/// left them out; which of them a plugin can serve is its own matter.
/// </summary>
/// <param name="HostPort">Port at the host's address.</param>
/// <param name="ContainerPort">Port that the container listens on.</param>
/// <param name="Protocol">Lower case; "tcp" if the runtime names none.</param>
/// <param name="HostIp">Host address to listen on as the runtime wrote it; "" if it names none.</param>
public sealed record PortMapping(int HostPort, int ContainerPort, string Protocol, string HostIp)
{
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{{hostPort {HostPort}, containerPort {ContainerPort}, protocol {Protocol}{(HostIp.Length == 0 ? "" : $", hostIP {HostIp}")}}}");

    /// <summary>Reads a list in the convention's shape. Entries that are equal are one.</summary>
    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>, naming the entry.</exception>
    public static IReadOnlyList<PortMapping> ReadList(ConfigValue list) =>
        ReadList(list, "hostPort", "containerPort", "hostIP");

    internal static IReadOnlyList<PortMapping> ReadList(
        ConfigValue list, string hostPort, string containerPort, string hostIp)
    {
        return
        [
            .. list.Items().Where(entry => entry.IsPresent).Select(entry => new PortMapping(
                ReadPort(entry.Member(hostPort)),
                ReadPort(entry.Member(containerPort)),
                entry.Member("protocol").AsString() is { Length: > 0 } protocol ? protocol.ToLowerInvariant() : "tcp",
                entry.Member(hostIp).AsString() ?? "")).Distinct(),
        ];
    }

    private static int ReadPort(ConfigValue port) => (int)(port.AsInteger(0, ushort.MaxValue) ?? 0);
}
