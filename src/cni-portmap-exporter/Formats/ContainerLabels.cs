using System.Runtime.CompilerServices;
using CniIsolator.Ipam;

namespace CniIsolator.Exporter.Formats;

/// <summary>The labels of one record, which are the same in every answer as long as the record does not change.</summary>
internal sealed class ContainerLabels
{
    private static readonly ConditionalWeakTable<Attachment, ContainerLabels> Known = [];

    private ContainerLabels(Attachment attachment)
    {
        Common = MetricsWriter.Encode(("container_id", attachment.Key.ContainerId), ("network", attachment.Key.Network));
        Info = MetricsWriter.Encode(
            ("ifname", attachment.Key.IfName),
            ("host_interface", attachment.HostInterface),
            ("ports", string.Join(',', attachment.Ports.Claims)),
            ("ephemeral", attachment.Ports.Slice.ToString()),
            ("pod", ContainerNames.Pod(attachment)),
            ("pod_namespace", ContainerNames.PodNamespace(attachment)),
            ("nomad_job", ContainerNames.Job(attachment)),
            ("nomad_task", ContainerNames.Task(attachment)));
    }

    /// <summary>Of all its series.</summary>
    public byte[] Common { get; }

    /// <summary>Of <c>portmap_container_info</c> alone, besides.</summary>
    public byte[] Info { get; }

    public static ContainerLabels Of(Attachment attachment) => Known.GetValue(attachment, static a => new ContainerLabels(a));
}
