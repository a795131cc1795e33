using CniIsolator.DataPath;
using CniIsolator.KernelState.Objects;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState.Plans;

/// <summary>A place in the kernel where what is not planned counts: it is strange, and goes when the plan is put into force.</summary>
public abstract record Territory
{
    /// <summary>Whether a stranger is a difference, and not merely swept away in passing.</summary>
    public bool IsReported { get; init; } = true;

    /// <summary>Whether an object of the place that is in no plan has to go.</summary>
    public abstract bool IsStrange(KernelObject found);
}

/// <summary>The u32 filters of one priority of a hook.</summary>
/// <param name="Device">Name of the device, with its whereabouts.</param>
/// <param name="At">The hook and the priority.</param>
/// <param name="Strange">Which of them are strange; null for all.</param>
public sealed record FilterTerritory(string Device, FilterAttachment At, Func<FilterState, bool>? Strange = null) : Territory
{
    public override bool IsStrange(KernelObject found) => found is FilterState filter && (Strange is null || Strange(filter));
}

/// <summary>All priorities of a hook that is the container's alone.</summary>
/// <param name="Device">Name of the device.</param>
/// <param name="Index">Its index.</param>
public sealed record HookTerritory(string Device, int Index) : Territory
{
    // Ours are territories of their own.
    public override bool IsStrange(KernelObject found) => found is ForeignFilterState { At.Priority: var priority } && !Hooks.IsOurs(priority);
}

/// <summary>Addresses that a container may have from a host that has moved.</summary>
/// <param name="Device">Name of the interface.</param>
/// <param name="Index">Its index.</param>
/// <param name="Former">What it had, apart from what it should have.</param>
public sealed record AddressTerritory(string Device, int Index, IReadOnlyList<string> Former) : Territory
{
    public override bool IsStrange(KernelObject found) => found is AddressState address && Former.Contains(address.Address.ToString());
}

/// <summary>Default routes that a container may have from a host that has moved.</summary>
/// <param name="Device">Name of the interface.</param>
/// <param name="Index">Its index.</param>
/// <param name="Former">Next hops that it had, apart from the one that it should have.</param>
public sealed record RouteTerritory(string Device, int Index, IReadOnlyList<string> Former) : Territory
{
    public override bool IsStrange(KernelObject found) => found is RouteState { Gateway: { } gateway } && Former.Contains(gateway.ToString());
}

/// <summary>The root of a device that should have no limit: one of ours is left from a change that was not ended.</summary>
/// <param name="Device">Name of the device, with its whereabouts.</param>
/// <param name="Index">Its index.</param>
public sealed record LimitTerritory(string Device, int Index) : Territory
{
    public override bool IsStrange(KernelObject found) => found is RootQdiscState { IsOurs: true };
}
