using System.Collections.Immutable;
using System.Text.Json;

namespace CniIsolator.Cni;

/// <summary>
/// The shapes of a result (section "ADD Success" of each version's text): ip4 and ip6 up to 0.2.0, lists from 0.3.0,
/// "version" in addresses until 0.4.0, MTUs from 1.1.0. Members without a value are left out, never null.
/// </summary>
internal static class CniResultWriter
{
    public static byte[] Write(CniResult result, CniVersion version) => JsonText.Write(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("cniVersion"u8, version.Text);
        if (version.HasInterfaceList)
        {
            WriteLists(writer, result, version);
        }
        else
        {
            WriteFamilies(writer, result);
        }

        writer.WriteStartObject("dns"u8);
        if (result.Dns is { } dns)
        {
            WriteStrings(writer, "nameservers", dns.Nameservers);
            WriteOptional(writer, "domain", dns.Domain);
            WriteStrings(writer, "search", dns.Search);
            WriteStrings(writer, "options", dns.Options);
        }

        writer.WriteEndObject();
        writer.WriteEndObject();
    });

    private static void WriteFamilies(Utf8JsonWriter writer, CniResult result)
    {
        // One address per family is all the shape holds; the first one is the one the container is reached at.
        if (result.Ips.IsEmpty)
        {
            throw new CniException(
                CniErrorCode.Internal, "cannot convert: no valid IP addresses", "versions 0.1.0 and 0.2.0 need one");
        }

        foreach (var ip in new[] { result.Ips.FirstOrDefault(i => !i.IsIpV6), result.Ips.FirstOrDefault(i => i.IsIpV6) })
        {
            if (ip is null)
            {
                continue;
            }

            writer.WriteStartObject(ip.IsIpV6 ? "ip6"u8 : "ip4"u8);
            writer.WriteString("ip"u8, ip.Address);
            WriteOptional(writer, "gateway", ip.Gateway);
            WriteRoutes(writer, result.Routes.Where(route => route.IsIpV6 == ip.IsIpV6), details: false);
            writer.WriteEndObject();
        }
    }

    private static void WriteLists(Utf8JsonWriter writer, CniResult result, CniVersion version)
    {
        if (!result.Interfaces.IsEmpty)
        {
            writer.WriteStartArray("interfaces"u8);
            foreach (var item in result.Interfaces)
            {
                writer.WriteStartObject();
                writer.WriteString("name"u8, item.Name);
                WriteOptional(writer, "mac", item.Mac);
                if (version.HasLinkDetails && item.Mtu is { } mtu)
                {
                    writer.WriteNumber("mtu"u8, mtu);
                }

                WriteOptional(writer, "sandbox", item.Sandbox);
                if (version.HasLinkDetails)
                {
                    WriteOptional(writer, "socketPath", item.SocketPath);
                    WriteOptional(writer, "pciID", item.PciId);
                }

                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        if (!result.Ips.IsEmpty)
        {
            writer.WriteStartArray("ips"u8);
            foreach (var ip in result.Ips)
            {
                writer.WriteStartObject();
                if (version.HasIpVersion)
                {
                    writer.WriteString("version"u8, ip.IsIpV6 ? "6"u8 : "4"u8);
                }

                if (ip.Interface is { } index)
                {
                    writer.WriteNumber("interface"u8, index);
                }

                writer.WriteString("address"u8, ip.Address);
                WriteOptional(writer, "gateway", ip.Gateway);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        WriteRoutes(writer, result.Routes, version.HasLinkDetails);
    }

    private static void WriteRoutes(Utf8JsonWriter writer, IEnumerable<CniRoute> routes, bool details)
    {
        CniRoute[] list = [.. routes];
        if (list.Length == 0)
        {
            return;
        }

        writer.WriteStartArray("routes"u8);
        foreach (var route in list)
        {
            writer.WriteStartObject();
            writer.WriteString("dst"u8, route.Destination);
            WriteOptional(writer, "gw", route.Gateway);
            foreach (var (name, value) in details ? route.Details : [])
            {
                writer.WriteNumber(name, value);
            }

            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteStrings(Utf8JsonWriter writer, string name, ImmutableArray<string> values)
    {
        if (values.IsEmpty)
        {
            return;
        }

        writer.WriteStartArray(name);
        foreach (var value in values)
        {
            writer.WriteStringValue(value);
        }

        writer.WriteEndArray();
    }

    private static void WriteOptional(Utf8JsonWriter writer, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            writer.WriteString(name, value);
        }
    }
}
