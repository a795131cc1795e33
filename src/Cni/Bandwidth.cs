namespace CniIsolator.Cni;

/// <summary>
/// The convention "bandwidth", as the runtime sends it: rates in bits per second, bursts in bits, 0 for none. "Ingress"
/// is what the container receives.
/// </summary>
public sealed record Bandwidth(ulong IngressRate, ulong IngressBurst, ulong EgressRate, ulong EgressBurst)
{
    /// <summary>
    /// From here on, a burst in bits means that the runtime has no opinion: containerd sends 2^32-1, CRI-O 2^35-9 and
    /// kubelet used to send 2^31-1. Taken literally any of them defeats the limit.
    /// </summary>
    public const ulong BurstSentinel = int.MaxValue;

    internal static Bandwidth? Read(ConfigValue value)
    {
        if (!value.IsPresent)
        {
            return null;
        }

        var (ingressRate, ingressBurst) = ReadPair(value, "ingress");
        var (egressRate, egressBurst) = ReadPair(value, "egress");
        return new Bandwidth(ingressRate, ingressBurst, egressRate, egressBurst);
    }

    /// <summary>
    /// The reference plugin wants both of a pair or neither. Here a rate needs no burst, as one can be chosen; but a
    /// burst without a rate would leave unlimited what somebody wanted limited.
    /// </summary>
    private static (ulong Rate, ulong Burst) ReadPair(ConfigValue value, string direction)
    {
        var (rate, burst) = (value.Member(direction + "Rate"), value.Member(direction + "Burst"));
        var (rateBits, burstBits) = (ReadBits(rate), ReadBits(burst));
        return rateBits == 0 && burstBits is > 0 and < BurstSentinel
            ? throw burst.Invalid($"has no {rate.Path} that it belongs to")
            : (rateBits, burstBits);
    }

    private static ulong ReadBits(ConfigValue value)
    {
        // 2^64-1 that went through a float64 arrives as 18446744073709552000, which no uint64 holds.
        if (value.TryGetNumber(out var number) && number > ulong.MaxValue)
        {
            return ulong.MaxValue;
        }

        return value.AsInteger(0, ulong.MaxValue) ?? 0;
    }
}
