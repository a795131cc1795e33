namespace CniIsolator.Cni;

/// <summary>One call of the plugin, validated. Variables the runtime did not set are "".</summary>
public sealed record CniRequest
{
    public required CniCommand Command { get; init; }

    /// <summary>The version that configuration and result are in.</summary>
    public required CniVersion Version { get; init; }

    public required CniConfig Config { get; init; }

    /// <summary>Valid for ADD, DEL and CHECK; as found, and mostly "", for the others.</summary>
    public string ContainerId { get; init; } = "";

    /// <summary>Path of the container's namespace; never "" for ADD and CHECK.</summary>
    public string Netns { get; init; } = "";

    /// <summary>Name of the interface in the container, 1 to 15 bytes for ADD, DEL and CHECK.</summary>
    public string IfName { get; init; } = "";

    public CniArgs Args { get; init; } = CniArgs.Empty;

    /// <summary>CNI_PATH, directories joined by ':'.</summary>
    public string Path { get; init; } = "";
}
