using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Plans;

namespace CniIsolator.KernelState.Tests;

/// <summary>What is meant to be so of single sorts of objects, and what tests ask of all others.</summary>
internal static class Known
{
    /// <summary>Whether its absence is no difference: the kernel does not know it, or its device has gone, which is a difference of its own.</summary>
    public static bool MayLack(KernelObject one) => one is SysctlState or OffloadState or GatewayState or PlainQueueState;

    /// <summary>What is said of objects that are missing: of what is on a link that is missing as well, nothing.</summary>
    public static IEnumerable<Difference> Missed(IReadOnlyCollection<KernelObject> missing) =>
        missing.Where(o => !MayLack(o) && !missing.Any(link => link is LinkState or VethState && o.FallsWith(link))).SelectMany(o => o.Compare(null));

    /// <summary>What a difference in an attribute is called.</summary>
    public static string SubjectOf(KernelObject planned, string attribute) => (planned, attribute) switch
    {
        (MasterState, "name") => "master",
        (MasterState, "gateway") => "gateway of the host",
        (_, "") => planned.Subject,
        _ => $"{attribute} of {planned.Subject}",
    };

    /// <summary>Whether another value of it does no harm.</summary>
    public static bool IsHarmless(KernelObject one) => one is SysctlState { Weight: SysctlWeight.Harmless };

    /// <summary>Whether it is the host's own, which containers follow, and is never changed.</summary>
    public static bool IsFollowed(KernelObject one) => one is MasterState;

    /// <summary>Whether somebody else's thing in its place is left to them, and only named.</summary>
    public static bool IsLeft(KernelObject planned, Alteration alteration) => planned switch
    {
        VethState => true,
        LinkState => alteration.Attribute is "kind" or "index",
        FlowQdiscState => alteration.Wrong is FlowQdiscState { IsDefault: false, IsOurs: false },
        _ => false,
    };

    /// <summary>What has to be made anew with an object, or set: what falls with it; and all of a gate where what is wrong is on it.</summary>
    public static HashSet<ObjectKey> TouchedWith(KernelObject one, Plan plan)
    {
        List<KernelObject> touched = [one];
        if (plan.Gate is { } gate && (one.Key == gate.Hook.Key || one.FallsWith(gate.Hook)))
        {
            touched.Add(gate.Hook);
        }

        for (int i = 0; i < touched.Count; i++)
        {
            touched.AddRange(plan.Objects.Where(o => touched[i].RemovalRank > 0 && o.FallsWith(touched[i]) && !touched.Contains(o)));
        }

        if (plan.Gate is { Link: var link } && touched.Count > 1 && touched.Exists(o => o.Key == plan.Gate.Hook.Key))
        {
            touched.Add(link);
        }

        return [.. touched.Select(o => o.Key)];
    }
}
