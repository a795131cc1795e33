namespace CniIsolator.Cni;

/// <summary>One interface of one container: what GC's list consists of.</summary>
/// <param name="ContainerId">CNI_CONTAINERID of its ADD.</param>
/// <param name="IfName">CNI_IFNAME of its ADD.</param>
public sealed record CniAttachment(string ContainerId, string IfName)
{
    internal static CniAttachment Read(ConfigValue value)
    {
        var id = value.Member("containerID").AsString();
        var ifName = value.Member("ifname").AsString();
        return string.IsNullOrEmpty(id) || string.IsNullOrEmpty(ifName)
            ? throw value.Invalid("lacks containerID or ifname")
            : new CniAttachment(id, ifName);
    }
}
