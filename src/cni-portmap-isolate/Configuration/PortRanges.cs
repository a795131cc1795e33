using CniIsolator.Cni;
using CniIsolator.Ipam;

namespace CniIsolator.Plugin.Configuration;

/// <summary>Port ranges in text, "31000-31999,33000".</summary>
internal static class PortRanges
{
    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>, with key and value.</exception>
    public static PortSet Parse(string key, string text)
    {
        PortSet set;
        try
        {
            set = PortSet.Parse(text);
        }
        catch (FormatException e)
        {
            throw ConfigurationKeys.Invalid(key, text, $"has an element that is {e.Message}");
        }

        // No packet carries port 0, and bind(2) takes it for "any".
        return set.Contains(0) ? throw ConfigurationKeys.Invalid(key, text, "has port 0; ports are 1-65535") : set;
    }

    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>, with key and value.</exception>
    public static PortSet? Read(ConfigValue value) => value.AsString() is { } text ? Parse(value.Path, text) : null;
}
