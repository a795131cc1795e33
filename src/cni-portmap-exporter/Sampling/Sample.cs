namespace CniIsolator.Exporter.Sampling;

/// <summary>Failures of each source since the exporter was started.</summary>
/// <param name="Store">Times that the records could not be read.</param>
/// <param name="Links">Times that the kernel did not give its counters.</param>
/// <param name="Namespaces">Times that a container's namespace could not be entered or looked into; none is tried more often than every 30 seconds.</param>
internal readonly record struct ScrapeErrors(ulong Store, ulong Links, ulong Namespaces = 0);

/// <summary>Ports of the host's pools of ephemeral ports.</summary>
/// <param name="Capacity">Ports in the pools that records tell, 0 to 65536; null where none tells.</param>
/// <param name="InUse">Ports in slices that containers hold.</param>
internal readonly record struct PoolUse(int? Capacity, int InUse);

/// <summary>What one look at store and kernel found.</summary>
internal sealed record Sample
{
    /// <summary>When the counters were read.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>How long it took.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>By network, container and interface name; those whose interface was there.</summary>
    public required IReadOnlyList<ContainerSample> Containers { get; init; }

    /// <summary>Null where the store could not be read.</summary>
    public required PoolUse? Pool { get; init; }

    /// <summary>Records that are damaged, whose containers are not among the above; null where the store could not be read.</summary>
    public required int? UnreadableRecords { get; init; }

    public required ScrapeErrors Errors { get; init; }

    /// <summary>Why this sample is not complete, or null.</summary>
    public required string? Fault { get; init; }
}
