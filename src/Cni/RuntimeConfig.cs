namespace CniIsolator.Cni;

/// <summary>
/// "runtimeConfig": what the runtime passes for the capabilities that the configuration declares. Each member is read
/// when asked for.
/// </summary>
public sealed class RuntimeConfig(ConfigValue value)
{
    /// <summary>Any member, for capabilities that have no method here.</summary>
    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>: runtimeConfig is no object.</exception>
    public ConfigValue Member(string capability) => value.Member(capability);

    /// <summary>Empty if the runtime sends none.</summary>
    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>, naming the entry.</exception>
    public IReadOnlyList<PortMapping> ReadPortMappings() => PortMapping.ReadList(Member("portMappings"));

    /// <summary>Null if the runtime sends none.</summary>
    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>, naming the member.</exception>
    public Bandwidth? ReadBandwidth() => Bandwidth.Read(Member("bandwidth"));

    /// <summary>The container's cgroup in the runtime's notation, null if the runtime sends none.</summary>
    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>.</exception>
    public string? ReadCgroupPath() => Member("cgroupPath").AsAnyString() is { Length: > 0 } path ? path : null;
}
