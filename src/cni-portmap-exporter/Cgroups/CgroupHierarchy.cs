namespace CniIsolator.Exporter.Cgroups;

/// <summary>The hierarchies that statistics come from. Of cgroup v1, two of them may be one and the same; where a controller has none of its own, it is in the unified one.</summary>
internal enum CgroupHierarchy
{
    Unified, // cgroup2
    Cpu, // cgroup, option cpu
    CpuAccounting, // cgroup, option cpuacct
    Memory, // cgroup, option memory
}

/// <summary>A path for each hierarchy; null where there is none.</summary>
internal sealed class CgroupPaths
{
    public const int Count = (int)CgroupHierarchy.Memory + 1;

    private readonly string?[] _paths = new string?[Count];

    public string? this[CgroupHierarchy hierarchy]
    {
        get => _paths[(int)hierarchy];
        set => _paths[(int)hierarchy] = value;
    }

    public bool IsEmpty => Array.TrueForAll(_paths, path => path is null);

    /// <summary>The v1 hierarchy of a controller by the kernel's name for it; null for one of no interest.</summary>
    public static CgroupHierarchy? OfController(ReadOnlySpan<char> name) => name switch
    {
        "cpu" => CgroupHierarchy.Cpu,
        "cpuacct" => CgroupHierarchy.CpuAccounting,
        "memory" => CgroupHierarchy.Memory,
        _ => null,
    };
}
