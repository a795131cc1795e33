using CniIsolator.KernelState;
using CniIsolator.Linux;

namespace CniIsolator.Lifecycle;

/// <summary>Opens the namespace that a runtime names.</summary>
public static class ContainerNamespace
{
    /// <exception cref="IsolationException">103: it is missing or something else; 8: it is the host's own.</exception>
    public static NetworkNamespace Open(string path, NetworkNamespace host)
    {
        NetworkNamespace opened;
        try
        {
            opened = NetworkNamespace.Open(path);
        }
        catch (LinuxException e)
        {
            throw new IsolationException(
                IsolationFault.NamespaceMissing,
                $"CNI_NETNS \"{path}\" cannot be opened",
                e.Errno == Errno.NoEntry ? "there is nothing at this path" : e.Message,
                e);
        }
        catch (NotANetworkNamespaceException e)
        {
            throw new IsolationException(IsolationFault.NamespaceMissing, $"CNI_NETNS \"{path}\" is not a network namespace", e.Message, e);
        }

        if (opened.Identity == host.Identity)
        {
            opened.Dispose();
            throw new IsolationException(IsolationFault.HostNamespace, "plugin's netns and netns from CNI_NETNS should not be the same", path);
        }

        return opened;
    }
}
