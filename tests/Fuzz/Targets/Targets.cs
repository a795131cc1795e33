namespace CniIsolator.Fuzz;

/// <summary>All targets.</summary>
public static class Targets
{
    /// <summary>Those that run in this process: tens of thousands of inputs a second.</summary>
    public static IReadOnlyList<Target> Readers { get; } =
        [new CallTarget(), new EnvironmentTarget(), new PortRangesTarget(), new RatesTarget(), new RecordTarget(), new NetlinkTarget()];

    public static IReadOnlyList<Target> All { get; } = [.. Readers, new ProgramTarget()];
}
