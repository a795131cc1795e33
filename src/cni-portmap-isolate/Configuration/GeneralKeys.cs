using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using CniIsolator.Cni;
using CniIsolator.DataPath;
using CniIsolator.Ipam;

namespace CniIsolator.Plugin.Configuration;

/// <summary>Readers of the keys that have a small set of values. Each raises code 7 with key and value.</summary>
internal static class GeneralKeys
{
    /// <summary>More CPUs than any machine has; keeps rate times CPUs from overflowing unseen.</summary>
    private const decimal MostCpus = 65536;

    public static string? ReadMaster(ConfigValue config)
    {
        var value = config.Member(ConfigurationKeys.Master);
        if (value.AsString() is not { Length: > 0 } name)
        {
            return null;
        }

        try
        {
            CniNames.CheckInterfaceName(name);
            return name;
        }
        catch (CniException e)
        {
            throw value.Invalid("cannot be the name of an interface", e.Message);
        }
    }

    /// <summary>Which of the master's IPv4 addresses is shared; null where the key is absent.</summary>
    public static IPAddress? ReadAddress(ConfigValue config)
    {
        var value = config.Member(ConfigurationKeys.Address);
        if (value.AsString() is not { } text)
        {
            return null;
        }

        // Of the forms that IPAddress reads as well, such as 10.1 or 010.0.0.1, a person means another address than it does.
        return IPAddress.TryParse(text, out var address) && address.AddressFamily == AddressFamily.InterNetwork && address.ToString() == text
            ? address
            : throw value.Invalid("is no IPv4 address", "four decimal numbers joined by dots, without a prefix length");
    }

    public static string ReadStateDir(ConfigValue config) =>
        ReadPath(config.Member(ConfigurationKeys.StateDir)) ?? ConfigurationKeys.DefaultStateDir;

    public static string ReadLogFile(ConfigValue config) =>
        ReadPath(config.Member(ConfigurationKeys.LogFile)) ?? ConfigurationKeys.DefaultLogFile;

    public static LogLevel ReadLogLevel(ConfigValue config)
    {
        var value = config.Member(ConfigurationKeys.LogLevel);
        return value.AsString()?.ToLowerInvariant() switch
        {
            null or "info" => LogLevel.Information,
            "debug" => LogLevel.Debug,
            "warning" => LogLevel.Warning,
            "error" => LogLevel.Error,
            _ => throw value.Invalid("is none of debug, info, warning, error"),
        };
    }

    /// <summary>Whether GC also takes down what lives and is not listed.</summary>
    public static bool ReadGcForce(ConfigValue config) => config.Member(ConfigurationKeys.GcForce).AsBoolean() ?? false;

    public static HostLoopback ReadHostLoopback(ConfigValue config)
    {
        var value = config.Member(ConfigurationKeys.HostLoopback);
        return value.AsString()?.ToLowerInvariant() switch
        {
            null or "allow" => HostLoopback.Allow,
            "deny" => HostLoopback.Deny,
            _ => throw value.Invalid("is neither allow nor deny"),
        };
    }

    public static FlowClassifierParent ReadFlowClassifierParent(ConfigValue config)
    {
        var value = config.Member(ConfigurationKeys.EgressFlowClassifierParent);
        return value.AsString() is not { } text ? FlowClassifierParent.Root
            : FlowClassifierParent.TryParse(text, out var parent) ? parent
            : throw value.Invalid("is neither root nor maj:min", "both parts hexadecimal, as tc writes them");
    }

    /// <summary>The container's CPUs: the label's, else CNI_ARGS'; null if nobody says.</summary>
    public static decimal? ReadCpus(CniConfig config, CniArgs args)
    {
        (string Key, string Text)? source =
            config.Mesos.Label(ConfigurationKeys.CpusLabel) is { } label ? ("label cpus", label)
            : args[ConfigurationKeys.CpusArgument] is { } argument ? ("CNI_ARGS CPUS", argument)
            : null;
        if (source is not { } asked)
        {
            return null;
        }

        return decimal.TryParse(asked.Text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var cpus)
            && cpus <= MostCpus
            ? cpus
            : throw ConfigurationKeys.Invalid(asked.Key, asked.Text, "is no number of CPUs");
    }

    /// <summary>An address management plugin would hand out an address of its own, but the address is the host's.</summary>
    /// <exception cref="CniException"><see cref="CniErrorCode.UnsupportedField"/>.</exception>
    public static void RefuseIpam(ConfigValue config)
    {
        var type = config.Member("ipam").Member("type");
        if (type.IsPresent && !(type.Element.ValueKind == JsonValueKind.String && type.AsString()!.Length == 0))
        {
            throw (type with { ErrorCode = CniErrorCode.UnsupportedField }).Invalid(
                "is not supported", "containers have the host's address; leave ipam out or its type empty");
        }
    }

    private static string? ReadPath(ConfigValue value) =>
        value.AsString() is not { } path ? null
        : path.StartsWith('/') ? path
        : throw value.Invalid("is not an absolute path");
}
