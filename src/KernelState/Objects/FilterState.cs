using CniIsolator.DataPath;
using CniIsolator.Linux;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState.Objects;

/// <summary>
/// A u32 table or node of the data path. All of it guards: what a node matches and where it sends is who gets a packet. It is compared by what the
/// kernel shows of it, which <see cref="U32Filter"/> puts into words.
/// </summary>
/// <param name="Device">Name of the device, with its whereabouts.</param>
/// <param name="Filter">What it is.</param>
public sealed record FilterState(string Device, U32Filter Filter) : KernelObject
{
    public override ObjectKey Key => new("filter", (Filter.At, Filter.Handle.AsRequested));

    public override string Subject => $"filter {Filter.Handle} on {Device}";

    public override IReadOnlyList<ObjectAttribute> Attributes => [new("", Filter.ToString()!)];

    public override int RemovalRank => Filter is U32Table ? 1 : 0;

    /// <summary>The device that it sends packets to; null where it sends none, 0 where the device has gone.</summary>
    public int? Target => (Filter as U32Node)?.Action?.Target;

    public override bool Needs(int device) => Filter.At.Index == device || Target == device;

    /// <summary>A table goes only without its nodes, and without those that lead to it; all go with what they hang on.</summary>
    public override bool FallsWith(KernelObject other) => other switch
    {
        FilterState { Filter: U32Table table } when table.At == Filter.At =>
            Filter is U32Node node && (node.Handle.Table == table.Handle.Table || node.Link?.Table == table.Handle.Table),
        HookState hook => Filter.At.Index == hook.Index && Filter.At.Parent == TcHandle.Ingress,
        FlowQdiscState flows => Filter.At.Index == flows.Index && Filter.At.Parent == UniqueFlows.Qdisc,
        LinkState link => Filter.At.Index == link.Index,
        _ => false,
    };

    internal override void Create(ChangeContext context)
    {
        if (MayExist)
        {
            // ENOSPC is how u32 says that a node number of the root table is in use.
            U32Filters.Add(context.Batch, Filter, $"add filters to {Device}", Errno.Exists, Errno.NoSpace);
        }
        else
        {
            U32Filters.Add(context.Batch, Filter, $"add filters to {Device}");
        }
    }

    internal override void Delete(ChangeContext context) =>
        U32Filters.Delete(context.Batch, Filter.At, Filter.Handle, $"remove filters from {Device}");
}

/// <summary>Which of the programs for the host's end.</summary>
public enum ProgramRole
{
    /// <summary>Before all other filters: drops what would become another packet behind them.</summary>
    Guard,

    /// <summary>After all other filters: drops what none of them let pass.</summary>
    Drop,
}

/// <summary>
/// A filter that is a program. It guards: the program, by the kernel's digest of it, and that what it returns is the verdict. Optional, since not
/// every kernel has filters of this kind; the record notes whether this one had.
/// </summary>
/// <param name="Device">Name of the device.</param>
/// <param name="At">Where it hangs.</param>
/// <param name="Role">Which program.</param>
public sealed record ProgramState(string Device, FilterAttachment At, ProgramRole Role) : KernelObject
{
    private const string DropName = "portmap-drop";
    private const string GuardName = "portmap-guard";

    /// <summary>The kernel's digest of the program; null where it tells none, and any is taken for it.</summary>
    public string? Tag { get; init; }

    /// <summary>What hangs there; several where somebody has added others.</summary>
    public string Kind { get; init; } = "bpf";

    public override ObjectKey Key => new("program", At);

    public override string Subject => $"{(Role == ProgramRole.Guard ? "first" : "last")} filter on {Device}";

    public override string Description =>
        $"bpf at priority {At.Priority}, which {(Role == ProgramRole.Guard ? "looks at checksums" : "drops")}";

    public override IReadOnlyList<ObjectAttribute> Attributes =>
        Tag is null ? [new("kind", Kind)] : [new("kind", Kind), new("program", Tag)];

    public override bool FallsWith(KernelObject other) =>
        other is HookState hook ? hook.Index == At.Index : other is LinkState link && link.Index == At.Index;

    internal override void Create(ChangeContext context)
    {
        var program = Role == ProgramRole.Guard ? context.Programs?.Guard : context.Programs?.Drop;
        if (program is not null)
        {
            BpfFilters.Add(context.Batch, At, program.Descriptor, Role == ProgramRole.Guard ? GuardName : DropName, $"add the {Subject}");
        }
    }

    internal override void Delete(ChangeContext context) => U32Filters.DeletePriority(context.Batch, At, $"remove the {Subject}");
}

/// <summary>Filters of somebody else on a hook that is the container's alone: one before ours would let it send what it likes.</summary>
/// <param name="Device">Name of the device.</param>
/// <param name="At">Where they hang.</param>
/// <param name="Kind">Of which kind they are.</param>
public sealed record ForeignFilterState(string Device, FilterAttachment At, string Kind) : KernelObject
{
    public override ObjectKey Key => new("foreign filter", (At, Kind));

    public override string Subject => $"filters of priority {At.Priority} on {Device}";

    public override IReadOnlyList<ObjectAttribute> Attributes => [new("", Kind)];

    public override bool FallsWith(KernelObject other) => other is HookState hook && hook.Index == At.Index;

    internal override void Create(ChangeContext context) => throw new NotSupportedException($"{Subject} is somebody else's");

    internal override void Delete(ChangeContext context) => U32Filters.DeletePriority(context.Batch, At, $"remove {Subject}");
}
