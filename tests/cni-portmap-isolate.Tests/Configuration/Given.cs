using System.Text;
using CniIsolator.Cni;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Tests.Configuration;

/// <summary>Configurations that are complete but for what a test is about.</summary>
internal static class Given
{
    /// <param name="keys">JSON members, without braces; may repeat the pool's.</param>
    /// <param name="args">CNI_ARGS.</param>
    public static NetworkConfiguration Configuration(string keys = "", string? args = null) =>
        NetworkConfiguration.From(Config(keys), CniArgs.Parse(args));

    public static CniException Fails(string keys, string? args = null) =>
        Assert.Throws<CniException>(() => Configuration(keys, args));

    public static CniConfig Config(string keys)
    {
        var pool = keys.Contains("\"ephemeralPorts\"", StringComparison.OrdinalIgnoreCase) ? "" : ",\"ephemeralPorts\":\"32768-57344\"";
        return CniConfig.Parse(Encoding.UTF8.GetBytes(
            "{\"name\":\"net\",\"type\":\"cni-portmap-isolate\"" + pool + (keys.Length > 0 ? "," + keys : "") + "}"));
    }

    /// <summary>The same claims from any source, as text.</summary>
    public static string Claims(string keys, string? args = null) =>
        string.Join(' ', Configuration(keys, args).Claims.Select(claim => claim.ToString()));
}
