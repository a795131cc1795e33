using CniIsolator.Netlink.Route;

namespace CniIsolator.KernelState.Objects;

/// <summary>The shared address on the container's interface. It guards: without it the container has no address. Others beside it are others'.</summary>
/// <param name="Device">Name of the interface.</param>
/// <param name="Address">With its prefix, and the interface's index.</param>
public sealed record AddressState(string Device, LinkAddress Address) : KernelObject
{
    public override ObjectKey Key => new("address", (Address.Index, Address.Address, Address.PrefixLength));

    public override string Subject => $"address of {Device} in the container";

    public override IReadOnlyList<ObjectAttribute> Attributes => [new("", Others.Length == 0 ? Address.ToString() : Others)];

    public override int RemovalRank => 1;

    public override bool FallsWith(KernelObject other) => other is VethState veth && veth.Index == Address.Index;

    /// <summary>What the interface has in the place of this one; empty where it has this one.</summary>
    public string Others { get; init; } = "";

    internal override void Create(ChangeContext context) => Addresses.Add(context.Batch, Address.Index, Address.Address, Address.PrefixLength);

    internal override void Delete(ChangeContext context) => Addresses.Delete(context.Batch, Address.Index, Address.Address, Address.PrefixLength);
}

/// <summary>
/// The default route through the container's interface. It guards: the container reaches nothing beyond the link without it. Default routes through
/// other interfaces, and those of another metric, are others'.
/// </summary>
/// <param name="Device">Name of the interface.</param>
/// <param name="Index">Its index.</param>
/// <param name="Gateway">The next hop.</param>
public sealed record RouteState(string Device, int Index, InternetAddress? Gateway) : KernelObject
{
    /// <summary>With the last address of an interface the kernel takes its routes away.</summary>
    public override bool FallsWith(KernelObject other) => other switch
    {
        VethState veth => veth.Index == Index,
        AddressState address => address.Address.Index == Index,
        _ => false,
    };

    /// <summary>The metric, to remove one by.</summary>
    public uint Priority { get; init; }

    public override ObjectKey Key => new("route", Index);

    public override string Subject => "default route in the container";

    public override IReadOnlyList<ObjectAttribute> Attributes => [new("", $"via {Gateway?.ToString() ?? "the link"} dev {Device}")];

    internal override void Create(ChangeContext context) => Routes.AddDefault(context.Batch, Index, Gateway);

    internal override void Delete(ChangeContext context) => Routes.DeleteDefault(context.Batch, new DefaultRoute(Index, Gateway, Priority));
}

/// <summary>
/// The gateway's link-layer address, known from the host, so that a container's first packet need not ask. It is a gift and not compared: the kernel
/// forgets it, and asks, when it likes.
/// </summary>
/// <param name="Index">Of the container's interface.</param>
/// <param name="Gateway">The neighbour.</param>
/// <param name="Mac">Its address.</param>
public sealed record GatewayState(int Index, InternetAddress Gateway, MacAddress Mac) : KernelObject
{
    public override ObjectKey Key => new("neighbour", (Index, Gateway));

    public override string Subject => $"neighbour {Gateway} in the container";

    public override IReadOnlyList<ObjectAttribute> Attributes => [];

    public override IEnumerable<Difference> Compare(KernelObject? found) => [];

    internal override void Create(ChangeContext context) => Neighbours.AddStale(context.Batch, Index, Gateway, Mac);

    // It goes with its interface.
    internal override void Delete(ChangeContext context)
    {
    }
}
