namespace CniIsolator.Fuzz;

/// <summary>All targets.</summary>
public static class Targets
{
    public static IReadOnlyList<Target> All { get; } =
        [new CallTarget(), new EnvironmentTarget(), new PortRangesTarget(), new RatesTarget(), new RecordTarget(), new NetlinkTarget()];
}
