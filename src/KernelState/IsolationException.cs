namespace CniIsolator.KernelState;

/// <summary>Why something cannot be done, by what the caller can do about it. The program's edge gives each its code.</summary>
public enum IsolationFault
{
    /// <summary>What is wanted does not fit the host; the message names the field.</summary>
    InvalidConfiguration,

    /// <summary>There is no such container.</summary>
    UnknownContainer,

    /// <summary>Somebody else is at it; the same may succeed a moment later.</summary>
    TryAgainLater,

    /// <summary>No ephemeral ports are left.</summary>
    PortsExhausted,

    /// <summary>A port is somebody's, who is named.</summary>
    PortTaken,

    /// <summary>The interface, or another for the same address, is there already.</summary>
    InterfaceExists,

    /// <summary>The container's namespace is gone, or cannot be entered.</summary>
    NamespaceMissing,

    /// <summary>The container's namespace is the host's own.</summary>
    HostNamespace,

    /// <summary>The kernel lacks a feature, which is named.</summary>
    FeatureMissing,

    /// <summary>The store cannot be used.</summary>
    StoreUnreadable,

    /// <summary>The kernel has something otherwise than it should.</summary>
    Differs,

    /// <summary>It failed, and was taken back.</summary>
    RolledBack,

    /// <summary>More than one container is meant.</summary>
    Ambiguous,

    /// <summary>Parts could not be done, each of which is named.</summary>
    Incomplete,
}

/// <summary>What cannot be done, for whoever asked for it.</summary>
/// <param name="fault">Which kind it is.</param>
/// <param name="message">What, in one sentence.</param>
/// <param name="details">What else there is to say; null for nothing.</param>
/// <param name="inner">The cause.</param>
public sealed class IsolationException(IsolationFault fault, string message, string? details = null, Exception? inner = null) : Exception(message, inner)
{
    public IsolationFault Fault { get; } = fault;

    public string? Details { get; } = details;
}
