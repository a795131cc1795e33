using System.Globalization;
using System.Numerics;
using CniIsolator.Cni;
using CniIsolator.Ipam;

namespace CniIsolator.Plugin.Configuration;

/// <summary>The checks on the pool of ephemeral ports and on the slices that are cut from it.</summary>
internal static class EphemeralPool
{
    /// <summary>Below that a container that opens a handful of connections runs dry.</summary>
    public const int MinimumSlice = 16;

    private static readonly PortSet Privileged = PortSet.From(new PortRange(0, 1023));

    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>.</exception>
    public static PortSet Read(ConfigValue value, PortSet ports)
    {
        var pool = PortRanges.Read(value) ?? PortSet.Empty;
        if (pool.IsEmpty)
        {
            throw value.Invalid("names no ports", "the key is required: the pool that containers get their ephemeral ports from");
        }

        Separate(value, pool, Privileged, "the privileged ports 0-1023");
        Separate(value, pool, ports, $"{ConfigurationKeys.Ports}: \"{ports}\"");
        return pool;
    }

    /// <summary>The size of the slice of a container that asks for none.</summary>
    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>.</exception>
    public static int ReadUsualSliceSize(CniConfig config) =>
        (int)(config.Top.Member(ConfigurationKeys.EphemeralPortsPerContainer).AsInteger(0, 65536) ?? ConfigurationKeys.DefaultEphemeralPortsPerContainer);

    /// <summary>The size of this container's slice: the label's, else CNI_ARGS', else the key's.</summary>
    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>.</exception>
    public static int ReadSliceSize(CniConfig config, CniArgs args, PortSet pool)
    {
        var value = config.Top.Member(ConfigurationKeys.EphemeralPortsPerContainer);
        var size = ReadUsualSliceSize(config);
        var (key, text) = (value.Path, value.IsPresent ? value.Shown.Trim('"') : size.ToString(CultureInfo.InvariantCulture));

        // The network's own setting is checked even where the container has another: it is wrong for all others.
        Check(key, text, size, pool);
        (string Key, string Text)? own =
            config.Mesos.Label(ConfigurationKeys.EphemeralPortsLabel) is { } label ? ("label ephemeral_ports", label)
            : args[ConfigurationKeys.EphemeralPortsArgument] is { } argument ? ("CNI_ARGS EPHEMERAL_PORTS", argument)
            : null;
        if (own is not { } asked)
        {
            return size;
        }

        if (!int.TryParse(asked.Text, NumberStyles.None, CultureInfo.InvariantCulture, out size))
        {
            throw ConfigurationKeys.Invalid(asked.Key, asked.Text, "is not an integer");
        }

        Check(asked.Key, asked.Text, size, pool);
        return size;
    }

    private static void Check(string key, string text, int size, PortSet pool)
    {
        if (size < MinimumSlice || !BitOperations.IsPow2(size))
        {
            throw ConfigurationKeys.Invalid(key, text, $"is not a power of two of at least {MinimumSlice}");
        }

        if (!pool.Ranges.Any(range => HasAlignedBlock(range, size)))
        {
            throw ConfigurationKeys.Invalid(
                key, text, $"is larger than any block of {ConfigurationKeys.EphemeralPorts}: \"{pool}\" that is aligned to it");
        }
    }

    private static bool HasAlignedBlock(PortRange range, int size)
    {
        // In long: the size comes from outside and may be near int.MaxValue.
        var begin = (range.Begin + (long)size - 1) / size * size;
        return begin + size - 1 <= range.End;
    }

    private static void Separate(ConfigValue value, PortSet pool, PortSet other, string name)
    {
        var common = pool.Intersect(other);
        if (!common.IsEmpty)
        {
            throw value.Invalid($"overlaps {name}", $"in {common}");
        }
    }
}
