using CniIsolator.Cni;
using CniIsolator.Ipam;

namespace CniIsolator.Plugin.Configuration;

/// <summary>The container's cgroup as the runtime tells it. Statistics alone use it, so one that is no good never fails an ADD.</summary>
/// <param name="Path">What is recorded; null if there is none, or none that can be.</param>
/// <param name="Warning">Why what the runtime told is not recorded, or null.</param>
public sealed record CgroupSetting(string? Path, string? Warning)
{
    public static CgroupSetting Read(RuntimeConfig runtime)
    {
        try
        {
            return runtime.ReadCgroupPath() is not { } path ? new CgroupSetting(null, null)
                : CgroupPath.FindFault(path) is not { } fault ? new CgroupSetting(path, null)
                : new CgroupSetting(null, $"runtimeConfig.cgroupPath {fault} and is not recorded");
        }
        catch (CniException e)
        {
            return new CgroupSetting(null, $"{e.Message}; it is not recorded");
        }
    }
}
