using CniIsolator.Ipam;

namespace CniIsolator.Exporter.Formats;

/// <summary>What a runtime told of a container in CNI_ARGS, in words that people know it by.</summary>
internal static class ContainerNames
{
    /// <summary>The pod's name; empty where there is none.</summary>
    public static string Pod(Attachment attachment) => attachment.Args.GetValueOrDefault("K8S_POD_NAME", "");

    /// <summary>The pod's Kubernetes namespace; empty where there is none.</summary>
    public static string PodNamespace(Attachment attachment) => attachment.Args.GetValueOrDefault("K8S_POD_NAMESPACE", "");

    /// <summary>The name of pod or task group, or else the container's id.</summary>
    public static string Executor(Attachment attachment) =>
        Pod(attachment) is { Length: > 0 } pod ? pod
        : attachment.Args.GetValueOrDefault("NOMAD_GROUP_NAME", "") is { Length: > 0 } group ? group
        : attachment.ContainerId;
}
