using System.Globalization;
using System.Text;
using System.Text.Json;
using CniIsolator.Ipam;
using CniIsolator.Lifecycle;

namespace CniIsolator.Plugin.CommandLine;

/// <summary>The JSON form of attachments that programs may rely on.</summary>
internal static class AttachmentJson
{
    public static string WriteArray(IReadOnlyList<Attachment> attachments, Dictionary<AttachmentKey, AttachmentHealth> health)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            writer.WriteStartArray();
            foreach (var attachment in attachments)
            {
                Write(writer, attachment, health[attachment.Key]);
            }

            writer.WriteEndArray();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    private static void Write(Utf8JsonWriter writer, Attachment attachment, AttachmentHealth health)
    {
        writer.WriteStartObject();
        writer.WriteString("network", attachment.Key.Network);
        writer.WriteString("containerId", attachment.Key.ContainerId);
        writer.WriteString("ifName", attachment.Key.IfName);
        writer.WriteString("netns", attachment.Namespace.Path);
        writer.WriteString("hostInterface", attachment.HostInterface);
        writer.WriteString("state", attachment.State.ToString().ToLowerInvariant());
        writer.WriteString("master", attachment.Host.Master);
        writer.WriteString("address", attachment.Host.Address.ToString());
        writer.WriteStartArray("addresses");
        writer.WriteStringValue(string.Create(CultureInfo.InvariantCulture, $"{attachment.Host.Address}/{attachment.Host.PrefixLength}"));
        writer.WriteEndArray();
        writer.WriteString("mac", attachment.Host.Mac);
        writer.WriteNumber("mtu", attachment.Host.Mtu);
        writer.WriteStartObject("ephemeralPorts");
        WriteRange(writer, attachment.Ports.Slice);
        writer.WriteEndObject();
        writer.WriteStartArray("ports");
        foreach (var claim in attachment.Ports.Claims)
        {
            writer.WriteStartObject();
            writer.WriteString("protocol", claim.Protocol.ToString().ToLowerInvariant());
            WriteRange(writer, claim.Range);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        WriteLimit(writer, "egress", attachment.Limits.Egress);
        WriteLimit(writer, "ingress", attachment.Limits.Ingress);
        if (attachment.Numbers.Flow != 0)
        {
            writer.WriteNumber("flow", attachment.Numbers.Flow);
        }

        writer.WriteString("hostLoopback", attachment.HostLoopback.ToString().ToLowerInvariant());
        writer.WriteStartObject("args");
        foreach (var (name, value) in attachment.Args)
        {
            writer.WriteString(name, value);
        }

        writer.WriteEndObject();
        writer.WriteString("created", attachment.Created);
        if (attachment.Changed is { } changed)
        {
            writer.WriteString("changed", changed);
        }

        writer.WriteBoolean("healthy", health.IsHealthy);
        writer.WriteStartArray("warnings");
        foreach (var warning in health.Warnings)
        {
            writer.WriteStringValue(warning);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteRange(Utf8JsonWriter writer, PortRange range)
    {
        writer.WriteNumber("begin", range.Begin);
        writer.WriteNumber("end", range.End);
    }

    private static void WriteLimit(Utf8JsonWriter writer, string name, RateLimit? limit)
    {
        if (limit is null)
        {
            writer.WriteNull(name);
            return;
        }

        writer.WriteStartObject(name);
        writer.WriteNumber("rate", limit.Rate);
        writer.WriteNumber("ceil", limit.Ceil);
        writer.WriteNumber("burst", limit.Burst);
        writer.WriteEndObject();
    }
}
