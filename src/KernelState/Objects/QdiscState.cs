using CniIsolator.DataPath;
using CniIsolator.Linux;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState.Objects;

/// <summary>
/// What filters on a device's ingress hang on. It guards, with its filters: without them nothing is delivered, or policed. On devices that are not
/// ours alone the older kind "ingress" does as well, which somebody else may have made.
/// </summary>
/// <param name="Device">Name of the device, with its whereabouts.</param>
/// <param name="Index">Its index.</param>
public sealed record HookState(string Device, int Index) : KernelObject
{
    /// <summary>What is there. The older kind is shown only where it does not do.</summary>
    public string Kind { get; init; } = "clsact";

    public override ObjectKey Key => new("hook", Index);

    public override string Subject => $"qdisc for filters of {Device}";

    public override IReadOnlyList<ObjectAttribute> Attributes => [new("", Kind)];

    public override int RemovalRank => 2;

    public override bool Needs(int device) => Index == device;

    public override bool FallsWith(KernelObject other) => other is LinkState link && link.Index == Index;

    internal override void Create(ChangeContext context)
    {
        if (MayExist)
        {
            Qdiscs.AddClsact(context.Batch, Index, $"add clsact to {Device}", Errno.Exists);
        }
        else
        {
            Qdiscs.AddClsact(context.Batch, Index, $"add clsact to {Device}");
        }
    }

    internal override void Delete(ChangeContext context) => Qdiscs.DeleteClsact(context.Batch, Index, $"remove clsact from {Device}");
}

/// <summary>
/// The qdisc at a device's root that limits it. Its settings guard: with another default class, or a queue for what no class takes, packets pass by
/// the limit. So do classes and filters of others in it.
/// </summary>
/// <param name="Device">Name of the device, with its whereabouts.</param>
/// <param name="Index">Its index.</param>
public sealed record RootQdiscState(string Device, int Index) : KernelObject
{
    /// <summary>Its kind.</summary>
    public string Kind { get; init; } = "htb";

    public uint Handle { get; init; } = Shaper.Qdisc;

    /// <summary>The limit that it is for, bytes per second.</summary>
    public long Rate { get; init; }

    public string Settings { get; init; } = Shaper.Settings.ToString();

    /// <summary>Classes beside ours.</summary>
    public string OtherClasses { get; init; } = "none but 1:1";

    public string Filters { get; init; } = "none";

    public override ObjectKey Key => new("root qdisc", Index);

    public override string Subject => Device;

    public override int RemovalRank => 3;

    public override bool Needs(int device) => Index == device;

    public override bool FallsWith(KernelObject other) => other is LinkState link && link.Index == Index;

    /// <summary>Whether it is as only this program makes one. A handle alone tells nothing: everybody calls the root qdisc 1:.</summary>
    public bool IsOurs => Kind == "htb" && Handle == Shaper.Qdisc && Settings == Shaper.Settings.ToString();

    public override IReadOnlyList<ObjectAttribute> Attributes =>
    [
        new("limit", $"{Kind} {TcHandle.Format(Handle)}"), new("qdisc", Settings), new("classes", OtherClasses), new("filters of the limit", Filters),
    ];

    public override IEnumerable<Difference> Compare(KernelObject? found)
    {
        if (found is not RootQdiscState { Kind: "htb", Handle: Shaper.Qdisc })
        {
            return [new Difference($"limit of {Device}", $"htb with {Rate} B/s", found is RootQdiscState other ? $"a qdisc {other.Kind} {TcHandle.Format(other.Handle)}" : "none")];
        }

        return base.Compare(found);
    }

    internal override void Create(ChangeContext context) =>
        Htb.AddQdisc(context.Batch, Index, Shaper.Qdisc, Shaper.Settings, $"add htb to {Device}");

    internal override void Delete(ChangeContext context) =>
        Qdiscs.Delete(context.Batch, Index, TcHandle.Root, Handle, $"remove {Kind} {TcHandle.Format(Handle)} from {Device}");
}

/// <summary>The one class of the limit: rate, ceil and bursts guard.</summary>
/// <param name="Device">Name of the device, with its whereabouts.</param>
/// <param name="Index">Its index.</param>
/// <param name="Class">Its numbers.</param>
public sealed record ClassState(string Device, int Index, HtbClass Class) : KernelObject
{
    public override ObjectKey Key => new("class", (Index, Class.Handle));

    public override string Subject => $"limit of {Device}";

    public override int RemovalRank => 1;

    public override IReadOnlyList<ObjectAttribute> Attributes =>
    [
        new("", string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Class} quantum {Class.Quantum}")),
    ];

    public override bool Needs(int device) => Index == device;

    public override bool CanChange(KernelObject found) => true;

    public override bool FallsWith(KernelObject other) =>
        other is RootQdiscState root ? root.Index == Index : other is LinkState link && link.Index == Index;

    internal override void Create(ChangeContext context) => Htb.AddClass(context.Batch, Index, Class, $"add the htb class to {Device}");

    internal override void Change(ChangeContext context) => Htb.SetClass(context.Batch, Index, Class, $"set the htb class of {Device}");

    // It goes with its qdisc.
    internal override void Delete(ChangeContext context)
    {
    }
}

/// <summary>
/// Where packets wait behind the limit. It guards: in a plain queue one flow's packets would be all others' delay. Optional, since htb brings a plain
/// queue on kernels without fq_codel.
/// </summary>
/// <param name="Device">Name of the device, with its whereabouts.</param>
/// <param name="Index">Its index.</param>
/// <param name="Queue">Its settings.</param>
public sealed record QueueState(string Device, int Index, FqCodelSettings Queue) : KernelObject
{
    // The kernel keeps codel's times in units of 1.024 us.
    private const long Rounding = 2;

    /// <summary>What is there.</summary>
    public string Kind { get; init; } = "fq_codel";

    /// <summary>Handle of what is there.</summary>
    public uint Handle { get; init; } = Shaper.Leaf;

    public override ObjectKey Key => new("queue", Index);

    public override string Subject => $"queue of {Device}";

    public override int RemovalRank => 1;

    public override IReadOnlyList<ObjectAttribute> Attributes =>
    [
        new("", Kind), new("target", $"{Queue.TargetMicroseconds} us"), new("interval", $"{Queue.IntervalMicroseconds} us"),
    ];

    public override IEnumerable<Difference> Compare(KernelObject? found)
    {
        if (found is not QueueState { Kind: "fq_codel" } queue)
        {
            yield return new Difference(Subject, "fq_codel", found is QueueState other ? other.Kind : "htb's own");
            yield break;
        }

        foreach (var (name, wanted, actual) in ((string, uint?, uint?)[])
            [("target", Queue.TargetMicroseconds, queue.Queue.TargetMicroseconds), ("interval", Queue.IntervalMicroseconds, queue.Queue.IntervalMicroseconds)])
        {
            if (actual is null || Math.Abs((long)wanted!.Value - actual.Value) > Rounding)
            {
                yield return new Difference($"{name} of {Subject}", $"{wanted} us", $"{actual} us");
            }
        }
    }

    public override bool Needs(int device) => Index == device;

    // fq_codel is set as it stands, and takes the place of another kind.
    public override bool CanChange(KernelObject found) => true;

    public override bool FallsWith(KernelObject other) =>
        other is RootQdiscState root ? root.Index == Index : other is LinkState link && link.Index == Index;

    internal override void Create(ChangeContext context) =>
        FqCodel.Add(context.Batch, Index, Shaper.Class, Shaper.Leaf, Queue, $"add fq_codel to {Device}");

    internal override void Change(ChangeContext context) =>
        FqCodel.Set(context.Batch, Index, Shaper.Class, Shaper.Leaf, Queue, $"set fq_codel of {Device}");

    // htb puts a plain queue in its place.
    internal override void Delete(ChangeContext context) =>
        Qdiscs.Delete(context.Batch, Index, Shaper.Class, Handle, $"remove {Kind} from {Device}");
}

/// <summary>
/// That htb's own queue takes what waits behind the limit, on a kernel without fq_codel: a limit that was made there is not different on its account.
/// </summary>
/// <param name="Device">Name of the device, with its whereabouts.</param>
/// <param name="Index">Its index.</param>
public sealed record PlainQueueState(string Device, int Index) : KernelObject
{
    public override ObjectKey Key => new("queue", Index);

    public override string Subject => $"queue of {Device}";

    public override IReadOnlyList<ObjectAttribute> Attributes => [new("", "htb's own")];

    // The kernel does not show the queue that htb brings.
    public override IEnumerable<Difference> Compare(KernelObject? found) =>
        found is QueueState { Kind: not "fq_codel" } other ? [new Difference(Subject, "htb's own", other.Kind)] : [];

    internal override void Create(ChangeContext context)
    {
    }

    internal override void Delete(ChangeContext context) =>
        Qdiscs.Delete(context.Batch, Index, Shaper.Class, Shaper.Leaf, $"remove the queue of {Device}");
}

/// <summary>
/// The master's fq_codel with a queue for each container. It guards what the network's configuration promises. Somebody else's qdisc in its place is
/// never removed.
/// </summary>
/// <param name="Device">The master's name.</param>
/// <param name="Index">Its index.</param>
/// <param name="Parent">Where it hangs.</param>
public sealed record FlowQdiscState(string Device, int Index, FlowClassifierParent Parent) : KernelObject
{
    /// <summary>What is there.</summary>
    public string Kind { get; init; } = UniqueFlows.Name;

    /// <summary>Whether it is a qdisc that nobody has asked for.</summary>
    public bool IsDefault { get; init; }

    /// <summary>Handle of what is there.</summary>
    public uint Handle { get; init; } = UniqueFlows.Qdisc;

    /// <summary>How many queues it has.</summary>
    public uint Queues { get; init; } = UniqueFlows.Queues;

    public override ObjectKey Key => new("flow qdisc", Index);

    public override string Subject => $"qdisc of {Device} at {Parent}";

    public override int RemovalRank => 3;

    public override bool Needs(int device) => Index == device;

    public override string Description => Kind;

    public override IReadOnlyList<ObjectAttribute> Attributes =>
        [new("", Kind), new("queues", Queues.ToString(System.Globalization.CultureInfo.InvariantCulture))];

    public bool IsOurs => Handle == UniqueFlows.Qdisc && Kind.StartsWith("fq_codel", StringComparison.Ordinal);

    public override IEnumerable<Difference> Compare(KernelObject? found) =>
        found is FlowQdiscState { IsDefault: true } ? base.Compare(null) : base.Compare(found);

    // The number of queues is for life: one of ours with another one is made anew.
    public override bool CanChange(KernelObject found) => found is FlowQdiscState { IsDefault: true }
        || (found is FlowQdiscState { IsOurs: true } ? false : throw new IsolationException(
            IsolationFault.InvalidConfiguration,
            $"{FlowClassifierParent.UniqueFlowKey}: {Device} has a qdisc {((FlowQdiscState)found).Kind} at {Parent} already",
            $"it is somebody else's and was left as it is; remove it, or name one of its classes as {FlowClassifierParent.Key}"));

    internal override void Create(ChangeContext context) =>
        UniqueFlows.AddQdisc(context.Batch, Index, Parent.Handle, $"add fq_codel to {Device}");

    internal override void Change(ChangeContext context) => Create(context);

    internal override void Delete(ChangeContext context) =>
        Qdiscs.Delete(context.Batch, Index, Parent.Handle, UniqueFlows.Qdisc, $"remove fq_codel from {Device}");
}
