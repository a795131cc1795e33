namespace CniIsolator.Plugin.Configuration;

/// <summary>May containers reach what listens on the host's 127.0.0.1?</summary>
public enum HostLoopback
{
    /// <summary>Yes: the container's loopback addresses lead to the host wherever the port is not the container's own.</summary>
    Allow,

    /// <summary>No: only what the container itself listens on.</summary>
    Deny,
}
