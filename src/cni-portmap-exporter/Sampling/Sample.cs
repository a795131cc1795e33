namespace CniIsolator.Exporter.Sampling;

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
    public required Capacity? Capacity { get; init; }

    /// <summary>Records that are damaged, whose containers are not among the above; null where the store could not be read.</summary>
    public required int? UnreadableRecords { get; init; }

    /// <summary>Failures since the exporter was started, in the order of <see cref="FaultLog.Sources"/>.</summary>
    public required IReadOnlyList<ulong> Faults { get; init; }

    /// <summary>Why the containers cannot be told, or null.</summary>
    public required string? Fault { get; init; }
}
