using System.Globalization;
using CniIsolator.Ipam;
using CniIsolator.Lifecycle;
using CniIsolator.Plugin.Logging;

namespace CniIsolator.Plugin.CommandLine;

/// <summary>Attachments for people.</summary>
internal static class AttachmentTable
{
    private static readonly string[] Titles = ["NETWORK", "CONTAINER", "IFNAME", "HOST IF", "STATE", "EPHEMERAL", "PORTS", "EGRESS B/s", "INGRESS B/s", "WARNINGS"];

    public static void WriteList(TextWriter output, IReadOnlyList<Attachment> attachments, Dictionary<AttachmentKey, AttachmentHealth> health)
    {
        List<string[]> rows =
        [
            Titles,
            .. attachments.Select(a => (string[])
            [
                a.Key.Network, a.Key.ContainerId, a.Key.IfName, a.HostInterface, State(a, health[a.Key]),
                a.Ports.Slice.ToString(), Ports(a), Rate(a.Limits.Egress), Rate(a.Limits.Ingress), string.Join("; ", health[a.Key].Warnings),
            ]),
        ];
        var widths = Enumerable.Range(0, Titles.Length).Select(column => rows.Max(row => row[column].Length)).ToArray();
        foreach (var row in rows)
        {
            output.WriteLine(string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
        }
    }

    public static void WriteDetails(TextWriter output, IReadOnlyList<Attachment> attachments, Dictionary<AttachmentKey, AttachmentHealth> health)
    {
        var counters = TrafficCounters.Read();
        foreach (var attachment in attachments)
        {
            foreach (var (name, value) in Details(attachment, counters, health[attachment.Key]))
            {
                output.WriteLine($"{SingleLine.Of(name) + ":",-18}{SingleLine.Of(value)}");
            }

            output.WriteLine();
        }
    }

    private static IEnumerable<(string Name, string Value)> Details(
        Attachment attachment, Dictionary<int, TrafficCounters> counters, AttachmentHealth health)
    {
        yield return ("container", attachment.Key.ContainerId);
        yield return ("network", attachment.Key.Network);
        yield return ("interface", $"{attachment.Key.IfName} in {attachment.Namespace.Path}");
        yield return ("host interface", $"{attachment.HostInterface} (master {attachment.Host.Master})");
        yield return ("state", State(attachment, health) + (attachment.Rebuilt ? ", rebuilt from the kernel" : ""));
        yield return ("address", $"{attachment.Host.Address}/{attachment.Host.PrefixLength}, MAC {attachment.Host.Mac}, MTU {attachment.Host.Mtu}");
        yield return ("ephemeral ports", string.Create(CultureInfo.InvariantCulture, $"{attachment.Ports.Slice} ({attachment.Ports.Slice.Count})"));
        yield return ("ports", Ports(attachment));
        yield return ("host loopback", attachment.HostLoopback.ToString().ToLowerInvariant());
        yield return ("egress limit", Limit(attachment.Limits.Egress));
        yield return ("ingress limit", Limit(attachment.Limits.Ingress));
        if (attachment.Numbers.Flow != 0)
        {
            yield return ("flow", string.Create(CultureInfo.InvariantCulture, $"{attachment.Numbers.Flow} of {attachment.Host.Master}"));
        }

        foreach (var warning in health.Warnings)
        {
            yield return ("warning", warning);
        }

        if (counters.TryGetValue(attachment.Numbers.HostEnd, out var seen))
        {
            yield return ("sent", string.Create(CultureInfo.InvariantCulture, $"{seen.SentBytes} bytes, {seen.SentPackets} packets"));
            yield return ("received", string.Create(CultureInfo.InvariantCulture, $"{seen.ReceivedBytes} bytes, {seen.ReceivedPackets} packets"));
        }

        foreach (var (name, value) in attachment.Args)
        {
            yield return ("arg " + name, value);
        }

        yield return ("created", attachment.Created.ToString("O", CultureInfo.InvariantCulture));
        if (attachment.Changed is { } changed)
        {
            yield return ("changed", changed.ToString("O", CultureInfo.InvariantCulture));
        }
    }

    /// <summary>One that gets no packets is never plainly ready.</summary>
    private static string State(Attachment attachment, AttachmentHealth health) =>
        attachment.State.ToString().ToLowerInvariant() + (attachment.State == AttachmentState.Ready && !health.IsHealthy ? ", unhealthy" : "");

    private static string Ports(Attachment attachment) =>
        attachment.Ports.Claims.Count == 0 ? "-" : string.Join(",", attachment.Ports.Claims);

    private static string Rate(RateLimit? limit) => limit is null ? "-" : limit.Rate.ToString(CultureInfo.InvariantCulture);

    private static string Limit(RateLimit? limit) => limit is null
        ? "none"
        : string.Create(CultureInfo.InvariantCulture, $"{limit.Rate} B/s, ceil {limit.Ceil} B/s, burst {limit.Burst} B");
}
