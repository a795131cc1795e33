using CniIsolator.Cni;
using CniIsolator.Linux;

namespace CniIsolator.Plugin.Attaching;

/// <summary>Opens the namespace that a runtime names.</summary>
internal static class ContainerNamespace
{
    /// <exception cref="CniException">103: it is missing or something else; 8: it is the host's own.</exception>
    public static NetworkNamespace Open(string path, NetworkNamespace host)
    {
        NetworkNamespace opened;
        try
        {
            opened = NetworkNamespace.Open(path);
        }
        catch (LinuxException e)
        {
            throw new CniException(
                CniErrorCode.NamespaceMissing,
                $"CNI_NETNS \"{path}\" cannot be opened",
                e.Errno == Errno.NoEntry ? "there is nothing at this path" : e.Message,
                e);
        }
        catch (NotANetworkNamespaceException e)
        {
            throw new CniException(CniErrorCode.NamespaceMissing, $"CNI_NETNS \"{path}\" is not a network namespace", e.Message, e);
        }

        if (opened.Identity == host.Identity)
        {
            opened.Dispose();
            throw new CniException(CniErrorCode.InvalidNetns, "plugin's netns and netns from CNI_NETNS should not be the same", path);
        }

        return opened;
    }
}
