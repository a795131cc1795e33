using System.Text.Json;
using CniIsolator.Ipam;

namespace CniIsolator.Exporter.Kubernetes;

/// <summary>What a network configuration says of slices.</summary>
/// <param name="Name">Of the network; empty where the file has none.</param>
/// <param name="EphemeralPorts">The pool; null where the file names none.</param>
/// <param name="EphemeralPortsPerContainer">Ports in the slice of a container that asks for no other size.</param>
internal sealed record NetworkFile(string Name, PortSet? EphemeralPorts, int EphemeralPortsPerContainer)
{
    public const string PluginName = "cni-portmap-isolate";

    private const int LongestFile = 1024 * 1024;

    /// <summary>Reads the file of a network; null where it is JSON, but none of its plugins is ours.</summary>
    /// <exception cref="IOException">It cannot be read, or is not what a runtime could use; the message names it.</exception>
    public static NetworkFile? Read(string path)
    {
        if (new FileInfo(path) is { Exists: true, Length: > LongestFile })
        {
            throw new IOException($"{path}: larger than {LongestFile} bytes, which no network configuration is");
        }

        return Parse(File.ReadAllBytes(path), path);
    }

    /// <exception cref="IOException">It is not JSON, or a value of ours in it cannot be right; the message names it.</exception>
    public static NetworkFile? Parse(ReadOnlyMemory<byte> json, string path)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
            {
                throw new IOException($"{path}: not a network configuration: expected an object");
            }

            return FindPlugin(root) is { } plugin ? Of(root, plugin, path) : null;
        }
        catch (JsonException e)
        {
            throw new IOException($"{path}: not JSON: {e.Message}", e);
        }
    }

    private static NetworkFile Of(JsonElement root, JsonElement plugin, string path)
    {
        var pool = Text(plugin, "ephemeralPorts");
        PortSet? ports;
        try
        {
            ports = pool is null ? null : PortSet.Parse(pool);
        }
        catch (FormatException e)
        {
            throw new IOException($"{path}: ephemeralPorts: {e.Message}", e);
        }

        var size = SliceAllocator.DefaultSize;
        if (Find(plugin, "ephemeralPortsPerContainer") is { } given
            && !(given.ValueKind == JsonValueKind.Number && given.TryGetInt32(out size) && SliceAllocator.IsValidSize(size)))
        {
            throw new IOException(
                $"{path}: ephemeralPortsPerContainer {given.GetRawText()}: expected a power of two from {SliceAllocator.SmallestSize} to {SliceAllocator.LargestSize}");
        }

        return new NetworkFile(Text(root, "name") ?? "", ports, size);
    }

    /// <summary>Of a list, the first plugin that is ours; a single plugin's file is the plugin itself.</summary>
    private static JsonElement? FindPlugin(JsonElement root)
    {
        if (Find(root, "plugins") is not { ValueKind: JsonValueKind.Array } plugins)
        {
            return IsOurs(root) ? root : null;
        }

        foreach (var plugin in plugins.EnumerateArray())
        {
            if (plugin.ValueKind == JsonValueKind.Object && IsOurs(plugin))
            {
                return plugin;
            }
        }

        return null;
    }

    private static bool IsOurs(JsonElement plugin) => Text(plugin, "type") == PluginName;

    private static string? Text(JsonElement from, string key) => Find(from, key) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;

    // As the plugin matches them; the last one wins, as it does there.
    private static JsonElement? Find(JsonElement from, string key)
    {
        JsonElement? found = null;
        foreach (var property in from.EnumerateObject())
        {
            if (property.Name.Equals(key, StringComparison.OrdinalIgnoreCase))
            {
                found = property.Value;
            }
        }

        return found;
    }
}
