using CniIsolator.KernelState.Objects;

namespace CniIsolator.KernelState.Plans;

/// <summary>
/// What should be in one network namespace, in the order in which it is made: what something hangs on, or leads to, comes before it.
/// </summary>
/// <param name="Objects">The objects.</param>
public sealed record Plan(IReadOnlyList<KernelObject> Objects)
{
    public static readonly Plan Empty = new([]);

    /// <summary>Where objects that are not in the plan count as well.</summary>
    public IReadOnlyList<Territory> Territories { get; init; } = [];

    /// <summary>
    /// A link that has to be down while anything foreign or wrong is on its hook, since whatever passes there counts as sent by the container. The
    /// hook is made anew then, and the link comes up with all filters in their places. Null for none.
    /// </summary>
    public Gate? Gate { get; init; }

    /// <summary>The same without what is on a device, or leads to it.</summary>
    public Plan Without(int device) => this with { Objects = [.. Objects.Where(o => !o.Needs(device))] };

    /// <summary>The objects that are of a sort, and nothing that is said of others beside them.</summary>
    public Plan Only(Func<KernelObject, bool> isWanted) => new([.. Objects.Where(isWanted)]);
}

/// <summary>A link, and the hook on it that must not be open with the wrong filters.</summary>
/// <param name="Link">The link, in the same plan.</param>
/// <param name="Hook">What its filters hang on, in the same plan.</param>
public sealed record Gate(LinkState Link, HookState Hook);
