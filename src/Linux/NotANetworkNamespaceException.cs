namespace CniIsolator.Linux;

/// <summary>A path that was given as a network namespace, and is something else.</summary>
public sealed class NotANetworkNamespaceException(string path, string reason)
    : IOException($"{path} is not a network namespace: {reason}")
{
    public string Path { get; } = path;
}
