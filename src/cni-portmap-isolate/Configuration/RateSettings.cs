using CniIsolator.Cni;

namespace CniIsolator.Plugin.Configuration;

/// <summary>
/// How one direction of a container is limited, before clamping: bytes per second, Burst in bytes, null where nothing
/// was said. Zero says nothing either, except for the minimum, where it switches the built-in minimum off.
/// </summary>
public sealed record RateSettings
{
    /// <summary>The same limit for every container, or the one the runtime asked for.</summary>
    public ulong? Limit { get; init; }

    /// <summary>Limit per whole CPU of the container; excludes <see cref="Limit"/> and <see cref="PerCpuAuto"/>.</summary>
    public ulong? PerCpu { get; init; }

    /// <summary>Limit per whole CPU is link speed / CPUs of the host.</summary>
    public bool PerCpuAuto { get; init; }

    public ulong? Minimum { get; init; }

    public ulong? Maximum { get; init; }

    /// <summary>Rate up to which bursts go, where it is above the rate itself.</summary>
    public ulong? Ceil { get; init; }

    public ulong? Burst { get; init; }

    /// <summary>Whether <see cref="Limit"/> is from runtimeConfig.bandwidth rather than from a key.</summary>
    public bool FromRuntime { get; init; }

    /// <summary>Whether there is a limit at all.</summary>
    public bool IsLimited => Limit is not null || PerCpu is not null || PerCpuAuto;

    /// <param name="config">The configuration.</param>
    /// <param name="direction">"egress" or "ingress", as it starts the keys.</param>
    /// <param name="runtimeRate">From the capability, bit/s; 0 for none.</param>
    /// <param name="runtimeBurst">From the capability, bits; 0 or a sentinel for none.</param>
    /// <exception cref="CniException"><see cref="CniErrorCode.InvalidNetworkConfig"/>.</exception>
    internal static RateSettings Read(ConfigValue config, string direction, ulong runtimeRate, ulong runtimeBurst)
    {
        var capitalized = char.ToUpperInvariant(direction[0]) + direction[1..];
        var limit = config.Member(direction + "RateLimitPerContainer");
        var perCpu = config.Member(direction + "RatePerCpu");
        var minimum = config.Member($"minimum{capitalized}RateLimit");
        var maximum = config.Member($"maximum{capitalized}RateLimit");
        var auto = perCpu.Element.ValueKind == System.Text.Json.JsonValueKind.String
            && perCpu.AsString()!.Equals("auto", StringComparison.OrdinalIgnoreCase);
        var settings = new RateSettings
        {
            Limit = Positive(ByteRate.Read(limit)),
            PerCpu = auto ? null : Positive(ByteRate.Read(perCpu)),
            PerCpuAuto = auto,
            Minimum = ByteRate.Read(minimum),
            Maximum = Positive(ByteRate.Read(maximum)),
            Ceil = Positive(ByteRate.Read(config.Member(direction + "CeilLimit"))),
            Burst = Positive(ByteRate.Read(config.Member(direction + "Burst"))),
        };
        if (limit.IsPresent && perCpu.IsPresent)
        {
            throw limit.Invalid($"excludes {perCpu.Path}: {perCpu.Shown}", "only one of the two keys may be there");
        }

        if (settings.Minimum > settings.Maximum)
        {
            throw minimum.Invalid($"is above {maximum.Path}: {maximum.Shown}");
        }

        if (runtimeRate == 0)
        {
            return settings;
        }

        return settings with
        {
            // A container that asked for less than a byte per second is still limited.
            Limit = Math.Max(1, runtimeRate / 8),
            PerCpu = null,
            PerCpuAuto = false,
            Burst = runtimeBurst < Bandwidth.BurstSentinel ? Positive(runtimeBurst / 8) ?? settings.Burst : settings.Burst,
            FromRuntime = true,
        };
    }

    private static ulong? Positive(ulong? value) => value is 0 ? null : value;
}
