using System.Text.Json;
using CniIsolator.Cni;

namespace CniIsolator.Plugin.Configuration;

/// <summary>A configuration as it lies in /etc/cni/net.d: a list of plugins, or one plugin's own object.</summary>
internal static class ConfigurationFile
{
    /// <summary>Our plugin's object, with name and version of the list it stands in.</summary>
    /// <exception cref="CniException">The file is none, or does not name the plugin.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static CniConfig Read(string path)
    {
        var text = File.ReadAllBytes(path);
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(text);
        }
        catch (JsonException e)
        {
            throw new CniException(CniErrorCode.DecodingFailure, $"{path} is no JSON: {e.Message}");
        }

        using (document)
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new CniException(CniErrorCode.DecodingFailure, $"{path} is no JSON object");
            }

            if (!document.RootElement.TryGetProperty("plugins", out var plugins) || plugins.ValueKind != JsonValueKind.Array)
            {
                return CniConfig.Parse(text);
            }

            foreach (var plugin in plugins.EnumerateArray())
            {
                if (plugin.ValueKind == JsonValueKind.Object && plugin.TryGetProperty("type", out var type) && type.ValueEquals("cni-portmap-isolate"))
                {
                    return CniConfig.Parse(Merge(document.RootElement, plugin));
                }
            }
        }

        throw new CniException(CniErrorCode.InvalidNetworkConfig, $"{path} has no plugin of type cni-portmap-isolate");
    }

    private static byte[] Merge(JsonElement list, JsonElement plugin)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            foreach (var name in (string[])["cniVersion", "name"])
            {
                if (list.TryGetProperty(name, out var value))
                {
                    writer.WritePropertyName(name);
                    value.WriteTo(writer);
                }
            }

            foreach (var member in plugin.EnumerateObject().Where(m => m.Name is not ("cniVersion" or "name")))
            {
                member.WriteTo(writer);
            }

            writer.WriteEndObject();
        }

        return buffer.ToArray();
    }
}
