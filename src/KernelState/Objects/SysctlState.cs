using CniIsolator.Linux;

namespace CniIsolator.KernelState.Objects;

/// <summary>Whether another value does harm.</summary>
public enum SysctlWeight
{
    /// <summary>A guarantee rests on it that nothing else keeps: another value is a difference.</summary>
    Guards,

    /// <summary>Something else keeps what it is set for: the host's administrator may change it.</summary>
    Harmless,
}

/// <summary>A kernel parameter of a network namespace. One that this kernel does not have is no difference.</summary>
/// <param name="Name">Its path below /proc/sys.</param>
/// <param name="Value">As the kernel shows it.</param>
/// <param name="Weight">Whether another value does harm; the plan says why.</param>
public sealed record SysctlState(string Name, string Value, SysctlWeight Weight) : KernelObject
{
    /// <summary>Whether a kernel without it is of no use.</summary>
    public bool IsRequired { get; init; }

    public override ObjectKey Key => new("sysctl", Name);

    public override string Subject => $"{(Place == Place.Host ? "host" : "container")} sysctl {Name}";

    public override bool IsMessage => false;

    public override IReadOnlyList<ObjectAttribute> Attributes => [new("", Value)];

    public override IEnumerable<Difference> Compare(KernelObject? found) =>
        found is null || Weight == SysctlWeight.Harmless ? [] : base.Compare(found);

    public override bool CanChange(KernelObject found) => true;

    internal override void Create(ChangeContext context)
    {
        if (!Sysctl.Write(Name, Value) && IsRequired)
        {
            throw new LinuxException($"write sysctl {Name}", Errno.NoEntry);
        }
    }

    internal override void Change(ChangeContext context) => Create(context);

    // What it was before is another plan's.
    internal override void Delete(ChangeContext context)
    {
    }
}

/// <summary>
/// That the container's kernel fills in the checksums of what leaves by an interface. It guards where the kernel does not tell where they are filled
/// in: the first filter of the host's end drops what has one still to be filled in.
/// </summary>
/// <param name="Device">Name of the interface.</param>
public sealed record OffloadState(string Device) : KernelObject
{
    private const string Computed = "computed by the container (ethtool -K tx off)";

    public bool LeavesChecksums { get; init; }

    public override ObjectKey Key => new("offload", Device);

    public override string Subject => $"transmit checksums of {Device} in the container";

    public override bool IsMessage => false;

    public override IReadOnlyList<ObjectAttribute> Attributes => [new("", LeavesChecksums ? "left to others" : Computed)];

    // An interface that is missing is a difference of its own.
    public override IEnumerable<Difference> Compare(KernelObject? found) => found is null ? [] : base.Compare(found);

    public override bool CanChange(KernelObject found) => true;

    internal override void Create(ChangeContext context) => LinkSettings.SwitchOffTransmitChecksums(Device);

    internal override void Change(ChangeContext context) => Create(context);

    internal override void Delete(ChangeContext context)
    {
    }
}
