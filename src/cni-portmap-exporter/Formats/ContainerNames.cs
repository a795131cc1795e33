using CniIsolator.Ipam;

namespace CniIsolator.Exporter.Formats;

/// <summary>What a runtime told of a container in CNI_ARGS, in words that people know it by.</summary>
internal static class ContainerNames
{
    /// <summary>The pod's name; empty where there is none.</summary>
    public static string Pod(Attachment attachment) => attachment.Args.GetValueOrDefault("K8S_POD_NAME", "");

    /// <summary>The pod's Kubernetes namespace; empty where there is none.</summary>
    public static string PodNamespace(Attachment attachment) => attachment.Args.GetValueOrDefault("K8S_POD_NAMESPACE", "");

    /// <summary>The job's name, or else its id; empty where there is none.</summary>
    public static string Job(Attachment attachment) => First(attachment, "NOMAD_JOB_NAME", "NOMAD_JOB_ID");

    /// <summary>The name of a Nomad job's task group, or of its task; empty where there is none.</summary>
    public static string Task(Attachment attachment) => First(attachment, "NOMAD_GROUP_NAME", "NOMAD_TASK_NAME");

    /// <summary>The name of pod or task group, or else the container's id.</summary>
    public static string Executor(Attachment attachment) =>
        Pod(attachment) is { Length: > 0 } pod ? pod
        : Task(attachment) is { Length: > 0 } task ? task
        : attachment.Key.ContainerId;

    private static string First(Attachment attachment, string name, string otherwise) =>
        attachment.Args.GetValueOrDefault(name, "") is { Length: > 0 } value ? value : attachment.Args.GetValueOrDefault(otherwise, "");
}
