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

    internal static Bandwidth? Read(ConfigValue value) => value.IsPresent
        ? new Bandwidth(
            ReadBits(value.Member("ingressRate")),
            ReadBits(value.Member("ingressBurst")),
            ReadBits(value.Member("egressRate")),
            ReadBits(value.Member("egressBurst")))
        : null;

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
