using System.Globalization;
using CniIsolator.Cni;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Linux;

namespace CniIsolator.Plugin.Configuration;

/// <summary>A container's bandwidth limits, as its shapers are to have them.</summary>
/// <param name="Egress">Limit on what the container sends; null is no limit.</param>
/// <param name="Ingress">Limit on what the container receives; null is no limit.</param>
/// <param name="Warnings">For the log; each begins with the key it is about.</param>
public sealed record RateLimits(RateLimit? Egress, RateLimit? Ingress, IReadOnlyList<string> Warnings)
{
    /// <summary>Bytes per second that a limited container gets at least, unless the minimum or maximum key says otherwise.</summary>
    public const ulong DefaultMinimum = 125_000;

    /// <summary>
    /// The kernel keeps a burst as the time that the rate takes for it, in 32 bits: some 274.8 s. Source: struct
    /// tc_htb_opt of linux/pkt_sched.h, and PSCHED_SHIFT of net/pkt_sched.h for the unit.
    /// </summary>
    private const ulong LongestBurst = (ulong)uint.MaxValue * BurstUnit;

    private const ulong BurstUnit = 64; // ns
    private const ulong NanosecondsInSecond = 1_000_000_000;

    /// <summary>A container's limits on this host.</summary>
    /// <exception cref="CniException">7: a limit that follows from the link's speed, which nobody tells.</exception>
    internal static RateLimits From(NetworkConfiguration configuration, HostConfiguration host) =>
        configuration.Egress.IsLimited || configuration.Ingress.IsLimited
            ? From(configuration, LinkSettings.ReadSpeed(host.Master.Name) / 8, Processors.Online, Shaper.FrameSize((int)host.Master.Mtu))
            : new RateLimits(null, null, []);

    /// <summary>Both directions of a container.</summary>
    /// <param name="configuration">The container's; its linkSpeed wins over the interface's.</param>
    /// <param name="interfaceSpeed">What the master says of its link, bytes per second; null if it does not.</param>
    /// <param name="hostCpus">CPUs of the host, at least 1.</param>
    /// <param name="frameSize">Bytes of the largest Ethernet frame, header included.</param>
    /// <exception cref="CniException">As of <see cref="Compute"/>.</exception>
    public static RateLimits From(NetworkConfiguration configuration, ulong? interfaceSpeed, int hostCpus, int frameSize)
    {
        var speed = configuration.LinkSpeed ?? interfaceSpeed;
        var egress = Compute(configuration.Egress, "egress", configuration.Cpus, speed, hostCpus, frameSize);
        var ingress = Compute(configuration.Ingress, "ingress", configuration.Cpus, speed, hostCpus, frameSize);
        return new RateLimits(egress.Limit, ingress.Limit, [.. egress.Warnings, .. ingress.Warnings]);
    }

    /// <summary>
    /// One direction. The rate is what was asked for, then raised to the minimum, then lowered to the maximum, so that the
    /// maximum beats the built-in minimum; 0, which only a minimum of 0 lets pass, is no limit. A burst counts without
    /// a ceil too, unlike in Mesos, which ignored it then.
    /// </summary>
    /// <param name="settings">What was asked for.</param>
    /// <param name="direction">"egress" or "ingress", as it starts the keys.</param>
    /// <param name="cpus">The container's CPUs, of which whole ones count; null if nobody says, which counts as 0.</param>
    /// <param name="linkSpeed">Bytes per second; null if not known.</param>
    /// <param name="hostCpus">CPUs of the host, at least 1.</param>
    /// <param name="frameSize">Bytes of the largest Ethernet frame, header included.</param>
    /// <exception cref="CniException">
    /// <see cref="CniErrorCode.InvalidNetworkConfig"/> for a rate of "auto" with a link whose speed is not known.
    /// </exception>
    public static (RateLimit? Limit, IReadOnlyList<string> Warnings) Compute(
        RateSettings settings, string direction, decimal? cpus, ulong? linkSpeed, int hostCpus, int frameSize)
    {
        if (!settings.IsLimited)
        {
            return (null, []);
        }

        var warnings = new List<string>();
        var asked = Asked(settings, direction, cpus, linkSpeed, hostCpus, warnings);
        var bounded = Bound(asked, settings, direction);
        if (bounded.Bytes == 0)
        {
            warnings.Add($"{asked.Key}: comes to 0 for this container and no minimum applies: not limited");
            return (null, warnings);
        }

        if (bounded.Bytes > linkSpeed)
        {
            // No error, as virtio and veth do not tell the truth.
            warnings.Add(Text($"{bounded.Key}: {bounded.Bytes} bytes/s is above the link's {linkSpeed} bytes/s"));
        }

        var rate = Saturate(bounded.Bytes);
        var ceil = Math.Max(rate, Saturate(settings.Ceil ?? 0));
        return (new RateLimit(rate, ceil, Burst(settings.Burst, (ulong)rate, (ulong)frameSize, direction, warnings)), warnings);
    }

    private static Rate Asked(
        RateSettings settings, string direction, decimal? cpus, ulong? linkSpeed, int hostCpus, List<string> warnings)
    {
        if (settings.Limit is { } limit)
        {
            return new Rate(settings.FromRuntime ? $"runtimeConfig.bandwidth.{direction}Rate" : direction + "RateLimitPerContainer", limit);
        }

        var key = direction + "RatePerCpu";
        var perCpu = !settings.PerCpuAuto ? settings.PerCpu ?? 0
            : linkSpeed / (ulong)Math.Max(hostCpus, 1) ?? throw new CniException(
                CniErrorCode.InvalidNetworkConfig,
                $"{key}: \"auto\" needs the speed of the link, which the interface does not tell: set {ConfigurationKeys.LinkSpeed}");
        if (cpus is null)
        {
            var value = settings.PerCpuAuto ? "\"auto\"" : Text($"{perCpu}");
            warnings.Add(
                $"{key}: {value} counts for no CPU, as the container's CPUs are not known: neither CNI_ARGS has "
                + $"{ConfigurationKeys.CpusArgument} nor the labels of org.apache.mesos {ConfigurationKeys.CpusLabel}");
        }

        var whole = (ulong)Math.Clamp(cpus ?? 0, 0, ulong.MaxValue);
        return new Rate(key, (ulong)UInt128.Min((UInt128)perCpu * whole, ulong.MaxValue));
    }

    private static Rate Bound(Rate rate, RateSettings settings, string direction)
    {
        var capitalized = char.ToUpperInvariant(direction[0]) + direction[1..];
        var minimum = new Rate($"minimum{capitalized}RateLimit", settings.Minimum ?? DefaultMinimum);
        var maximum = new Rate($"maximum{capitalized}RateLimit", settings.Maximum ?? ulong.MaxValue);
        var raised = rate.Bytes < minimum.Bytes ? minimum : rate;
        return raised.Bytes > maximum.Bytes ? maximum : raised;
    }

    /// <summary>
    /// Another rate for a container that runs. A ceil above both rates stays, and a burst that somebody chose.
    /// </summary>
    /// <param name="previous">Its limit so far; null for none.</param>
    /// <param name="rate">Bytes per second; 0 is no limit.</param>
    /// <param name="frameSize">Bytes of the largest Ethernet frame, header included.</param>
    public static RateLimit? Replace(RateLimit? previous, ulong rate, int frameSize)
    {
        if (rate == 0)
        {
            return null;
        }

        var (wanted, frame) = (Saturate(rate), (ulong)frameSize);
        var chosen = previous is null || (ulong)previous.Burst == Shaper.ChooseBurst((ulong)previous.Rate, frame) ? null : (ulong?)previous.Burst;
        return new RateLimit(
            wanted,
            previous is not null && previous.Ceil > previous.Rate ? Math.Max(wanted, previous.Ceil) : wanted,
            Burst(chosen, (ulong)wanted, frame, "", []));
    }

    private static long Burst(ulong? given, ulong rate, ulong frame, string direction, List<string> warnings)
    {
        // Below 6 bytes/s a frame does not fit into the kernel's bound, which wins: the shaper lets a frame through on credit.
        var greatest = (UInt128)rate * LongestBurst / NanosecondsInSecond;
        if (given > greatest)
        {
            warnings.Add(Text($"{direction}Burst: {given} bytes is more than the kernel can hold at {rate} bytes/s: cut to {greatest}"));
        }

        var wanted = given is { } burst
            ? Math.Max(burst, frame)
            : Shaper.ChooseBurst(rate, frame);
        return Saturate((ulong)UInt128.Min(wanted, greatest));
    }

    private static long Saturate(ulong value) => (long)Math.Min(value, long.MaxValue);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>A rate in bytes per second and the key that decided it.</summary>
    private readonly record struct Rate(string Key, ulong Bytes);
}
