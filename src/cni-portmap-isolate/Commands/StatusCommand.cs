using CniIsolator.Cni;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Lifecycle;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Commands;

/// <summary>
/// STATUS: faults of the host only. Exhausted ports are no fault: runtimes that refuse to DEL while STATUS fails could
/// then never give any back.
/// </summary>
internal static class StatusCommand
{
    public static void Run(CniRequest request)
    {
        var configuration = NetworkConfiguration.From(request);
        using var session = new Session(configuration.StateDir);
        try
        {
            var host = HostConfiguration.Read(session.Host, configuration.Master, configuration.Address, session.SharedAddresses());
            configuration.CheckAgainstHostRange(host.EphemeralRange);
        }
        catch (Exception e) when (e is CniException or IsolationException)
        {
            throw new CniException(CniErrorCode.PluginNotAvailable, e.Message, ErrorCodes.Translate(e).Details, e);
        }

        ProbeStore(session.Store);
        var missing = FindMissing(NeedsOf(configuration));
        if (missing.Count > 0)
        {
            throw new CniException(CniErrorCode.PluginNotAvailable, $"the kernel lacks {string.Join(", ", missing)}", "boot a kernel that has it, or load its module; `cni-portmap-isolate doctor` tells more");
        }
    }

    /// <summary>Every ADD writes a record; on a full or read-only file system none succeeds.</summary>
    private static void ProbeStore(AttachmentStore store)
    {
        try
        {
            store.Probe();
        }
        catch (StoreException e)
        {
            throw new CniException(
                CniErrorCode.PluginNotAvailable,
                $"the store cannot be used: {e.Message}",
                $"ADD needs room and permission for a file in {store.StateDir}; DEL and GC do without",
                e);
        }
    }

    private static List<string> FindMissing(KernelNeeds needs)
    {
        try
        {
            return FeatureProbe.FindMissing(needs);
        }
        catch (IOException e)
        {
            throw new CniException(CniErrorCode.PluginNotAvailable, $"the kernel cannot be asked for its features: {e.Message}", inner: e);
        }
    }

    private static KernelNeeds NeedsOf(NetworkConfiguration configuration) =>
        (configuration.Egress.IsLimited || configuration.Ingress.IsLimited ? KernelNeeds.Limits : KernelNeeds.None)
        | (configuration.UniqueFlow ? KernelNeeds.Flows : KernelNeeds.None);
}
