using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;
using CniIsolator.Linux;

namespace CniIsolator.KernelState;

/// <summary>
/// Brings one namespace's kernel and a plan together. It knows no command and no sort of object: what there is to know of an object the object says.
/// </summary>
/// <param name="kernel">The namespace.</param>
public sealed class Reconciler(IKernel kernel)
{
    /// <summary>How long to try: some things are busy until no packet can be on its way through them any more.</summary>
    internal TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Makes everything, without a look at what is there.</summary>
    public Outcome Apply(Plan plan) => kernel.Apply([.. plan.Objects.Select(o => new Change(ChangeKind.Create, o))]);

    /// <summary>What is otherwise than planned; nothing is changed.</summary>
    public IReadOnlyList<Difference> Diff(Plan plan)
    {
        List<Difference> differences = [];
        List<KernelObject> gone = [];
        foreach (var planned in plan.Objects.Where(o => o.RemovalRank >= KernelObject.RankOfLinks && kernel.Find(o) is null))
        {
            gone.Add(planned);
        }

        // That nothing is on a link that is gone need not be said of each thing.
        foreach (var planned in plan.Objects.Where(o => !gone.Exists(o.FallsWith)))
        {
            differences.AddRange(planned.Compare(kernel.Find(planned)));
        }

        foreach (var stranger in Strangers(plan, reportedOnly: true))
        {
            differences.Add(new Difference(stranger.Subject, "none", stranger.Description));
        }

        return differences;
    }

    /// <summary>
    /// Removes what is strange, makes what is missing, and changes what is otherwise. What is as it should be is not touched, so that packets that
    /// find it go on, and are counted on. What stays busy for too long the next comparison tells.
    /// </summary>
    /// <exception cref="IOException">The kernel refused.</exception>
    /// <exception cref="IsolationException">Something of somebody else's is in the way.</exception>
    public Outcome Converge(Plan plan)
    {
        // Nothing is made before all has gone that has to: a new filter that leads to a busy table would keep it busy for ever.
        Way way = default;
        HashSet<ObjectKey> busy = [];
        SpinWait.SpinUntil(
            () =>
            {
                way = Find(plan);
                busy = way.Removals.Count == 0 ? [] : Remove(way.Removals);
                return busy.Count == 0;
            },
            Patience);
        return kernel.Apply([.. way.Additions.Where(c => !busy.Contains(c.Object.Key))]).OrThrow();
    }

    /// <summary>Removes everything of these plans; what is gone already is passed over.</summary>
    public Outcome Remove(IEnumerable<Plan> plans)
    {
        List<KernelObject> doomed = [];
        foreach (var plan in plans)
        {
            doomed.AddRange(WithoutFalling(plan.Objects.Reverse()));
        }

        return kernel.Apply([.. doomed.Select(o => new Change(ChangeKind.Delete, o))]);
    }

    /// <summary>
    /// The steps from one plan to another in two parts, additions and removals; between them both are in force, so that what both let pass passes all
    /// the time.
    /// </summary>
    public static Transition Between(Plan before, Plan after)
    {
        var (old, wanted) = (ByKey(before), ByKey(after));
        return new Transition(
            [.. after.Objects.Where(o => !old.ContainsKey(o.Key)).Select(o => new Change(ChangeKind.Create, o))],
            [.. before.Objects.Reverse().Where(o => !wanted.ContainsKey(o.Key)).Select(o => new Change(ChangeKind.Delete, o))]);
    }

    /// <returns>What is busy.</returns>
    private HashSet<ObjectKey> Remove(IReadOnlyList<Change> removals)
    {
        var refusals = kernel.Apply(removals).Refusals;
        return refusals.FirstOrDefault(r => !IsBusy(r)) is { } refusal ? throw refusal.Exception : [.. refusals.Select(r => r.Change.Object.Key)];
    }

    /// <summary>The steps that lead from what is there to the plan.</summary>
    private Way Find(Plan plan)
    {
        List<KernelObject> doomed = [.. Strangers(plan, reportedOnly: false)];
        Dictionary<ObjectKey, KernelObject> present = [];
        HashSet<ObjectKey> wrong = [];
        foreach (var planned in plan.Objects)
        {
            if (kernel.Find(planned) is not { } found)
            {
                continue;
            }

            present[planned.Key] = found;
            if (!planned.Compare(found).Any())
            {
                continue;
            }

            if (planned.CanChange(found))
            {
                wrong.Add(planned.Key);
            }
            else
            {
                doomed.Add(found);
            }
        }

        // What the gate lets through is judged by the filters on it; sysctls and the link itself are not among them.
        var isClosed = plan.Gate is { } gate && doomed.Exists(d => d.Key == gate.Hook.Key || d.FallsWith(gate.Hook));
        if (isClosed && present.TryGetValue(plan.Gate!.Hook.Key, out var hook) && !doomed.Contains(hook))
        {
            doomed.Add(hook);
        }

        AddThoseThatFall(plan, present, doomed);
        var gone = doomed.Select(d => d.Key).ToHashSet();
        List<Change> removals = isClosed && present.ContainsKey(plan.Gate!.Link.Key) ? [new Change(ChangeKind.Close, plan.Gate.Link)] : [];
        removals.AddRange(WithoutFalling(doomed).OrderBy(d => d.RemovalRank).Select(d => new Change(ChangeKind.Delete, d)));
        List<Change> additions = [];
        foreach (var planned in plan.Objects)
        {
            if (!present.ContainsKey(planned.Key) || gone.Contains(planned.Key))
            {
                // Another process may be making the same; and tables of u32 outlive the filters that somebody has removed, unseen.
                additions.Add(new Change(ChangeKind.Create, planned with { MayExist = true }));
            }
            else if (wrong.Contains(planned.Key) || (isClosed && planned == plan.Gate!.Link))
            {
                additions.Add(new Change(ChangeKind.Change, planned));
            }
        }

        return new Way(removals, additions);
    }

    /// <summary>A table goes only without its nodes, and without those that lead to it; a qdisc takes along what hangs on it.</summary>
    private void AddThoseThatFall(Plan plan, Dictionary<ObjectKey, KernelObject> present, List<KernelObject> doomed)
    {
        if (doomed.Count == 0)
        {
            return;
        }

        Dictionary<ObjectKey, KernelObject> others = new(present);
        foreach (var found in plan.Territories.SelectMany(kernel.List))
        {
            others.TryAdd(found.Key, found);
        }

        foreach (var key in doomed.Select(d => d.Key))
        {
            others.Remove(key);
        }

        for (var i = 0; i < doomed.Count; i++)
        {
            if (doomed[i].RemovalRank == 0)
            {
                continue; // Nothing falls with a leaf.
            }

            foreach (var falling in others.Values.Where(o => o.FallsWith(doomed[i])).ToList())
            {
                doomed.Add(falling);
                others.Remove(falling.Key);
            }
        }
    }

    /// <summary>Those that have to be removed by themselves: what hangs on a qdisc or a link goes with it.</summary>
    private static List<KernelObject> WithoutFalling(IEnumerable<KernelObject> doomed)
    {
        List<KernelObject> all = [.. doomed];
        var carriers = all.FindAll(o => o.RemovalRank > 1);
        return carriers.Count == 0 ? all : all.FindAll(o => !carriers.Exists(o.FallsWith));
    }

    private List<KernelObject> Strangers(Plan plan, bool reportedOnly)
    {
        List<KernelObject> strangers = [];
        HashSet<ObjectKey>? planned = null;
        foreach (var territory in plan.Territories.Where(t => t.IsReported || !reportedOnly))
        {
            planned ??= [.. plan.Objects.Select(o => o.Key)];
            strangers.AddRange(kernel.List(territory).Where(found => territory.IsStrange(found) && !planned.Contains(found.Key)));
        }

        return strangers;
    }

    private static bool IsBusy(Refusal refusal) => refusal is { Errno: Errno.Busy, Change.Kind: ChangeKind.Delete };

    private static Dictionary<ObjectKey, KernelObject> ByKey(Plan plan)
    {
        Dictionary<ObjectKey, KernelObject> objects = new(plan.Objects.Count);
        foreach (var planned in plan.Objects)
        {
            objects[planned.Key] = planned;
        }

        return objects;
    }

    private readonly record struct Way(IReadOnlyList<Change> Removals, IReadOnlyList<Change> Additions);
}

/// <summary>The way from one plan to another.</summary>
/// <param name="Additions">What comes first.</param>
/// <param name="Removals">What comes last.</param>
public sealed record Transition(IReadOnlyList<Change> Additions, IReadOnlyList<Change> Removals);
