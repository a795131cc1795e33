using CniIsolator.Exporter.Sampling;
using CniIsolator.Ipam;

namespace CniIsolator.Exporter.Formats;

/// <summary>A container with the labels that all its series have.</summary>
/// <param name="Container">The container.</param>
/// <param name="Texts">Its labels as metrics have them.</param>
internal sealed record Series(ContainerSample Container, ContainerLabels Texts)
{
    public Attachment Attachment => Container.Attachment;

    /// <summary>What all its series have in common, from <see cref="MetricsWriter.Encode"/>.</summary>
    public byte[] Labels => Texts.Common;

    /// <summary>
    /// A container can have several interfaces in one network, if in several namespaces, and a label set must not occur twice: the newest stands
    /// for the container. The form of Mesos' agents shows each.
    /// </summary>
    public static List<Series> Of(IReadOnlyList<ContainerSample> containers)
    {
        var series = new List<Series>(containers.Count);
        foreach (var container in containers)
        {
            var attachment = container.Attachment;
            var next = new Series(container, ContainerLabels.Of(attachment));

            // In a sample they stand side by side.
            if (series.Count > 0 && series[^1].Attachment is var last && last.Key.ContainerId == attachment.Key.ContainerId && last.Key.Network == attachment.Key.Network)
            {
                series[^1] = last.Created >= attachment.Created ? series[^1] : next;
            }
            else
            {
                series.Add(next);
            }
        }

        return series;
    }
}
