using System.Globalization;
using CniIsolator.Netlink.Route;

namespace CniIsolator.KernelState.Objects;

/// <summary>
/// The veth between container and host, as the container's namespace shows it. All of it guards: through another interface no packet finds its way.
/// It is made with both ends, MACs and MTUs in one message, the far end directly in the host's namespace.
/// </summary>
/// <param name="Name">The container's interface.</param>
/// <param name="Index">Its index.</param>
public sealed record VethState(string Name, int Index) : KernelObject
{
    /// <summary>Name of the host's end.</summary>
    public required string HostName { get; init; }

    /// <summary>Index of the host's end in the host's namespace.</summary>
    public required int HostIndex { get; init; }

    public required MacAddress Mac { get; init; }

    /// <summary>Bytes.</summary>
    public required uint Mtu { get; init; }

    public string Kind { get; init; } = "veth";

    public override ObjectKey Key => new("veth", Name);

    public override string Subject => $"{Name} in the container";

    public override string Description => "a veth";

    public override int RemovalRank => RankOfLinks;

    public override IReadOnlyList<ObjectAttribute> Attributes =>
    [
        new("kind", Kind),
        new("index", Index.ToString(CultureInfo.InvariantCulture)),
        new("index of the far end", HostIndex.ToString(CultureInfo.InvariantCulture)),
    ];

    public override IEnumerable<Difference> Compare(KernelObject? found) =>
        found is null ? [new Difference($"link {Subject}", Description, "none")] : base.Compare(found);

    public override bool CanChange(KernelObject found) => throw new IsolationException(
        IsolationFault.Differs, $"interface {Name} has gone from its namespace, or another is in its place", "start the container anew");

    internal override void Create(ChangeContext context) => Links.CreateVeth(
        context.Batch, new VethEnd(Name, Index), new VethEnd(HostName, HostIndex), context.HostNamespace, Mac, Mtu);

    internal override void Delete(ChangeContext context) => Links.Delete(context.Batch, Index, $"remove {Name}");
}

/// <summary>
/// A link that is there by itself or came with the veth, as it should be set. MAC, MTU and state guard: packets are dropped otherwise. So does the
/// alias, which is not set where it is null: a record that was lost is found again by it.
/// </summary>
/// <param name="Name">The link's name.</param>
/// <param name="Index">Its index.</param>
public sealed record LinkState(string Name, int Index) : KernelObject
{
    /// <summary>Null for one that may be of any.</summary>
    public string? Kind { get; init; }

    /// <summary>Null for one that may have any.</summary>
    public MacAddress? Mac { get; init; }

    /// <summary>Bytes; null for one that may have any.</summary>
    public uint? Mtu { get; init; }

    public bool IsUp { get; init; } = true;

    public string? Alias { get; init; }

    /// <summary>Whether the message that made it gave it MAC and MTU already.</summary>
    public bool IsMadeWithVeth { get; init; }

    /// <summary>What texts call it.</summary>
    public string Title { get; init; } = Name;

    public override ObjectKey Key => new("link", Name);

    public override string Subject => Title;

    public override string Description => Kind is null ? "a link" : $"a {Kind}";

    public override int RemovalRank => RankOfLinks;

    public override IReadOnlyList<ObjectAttribute> Attributes
    {
        get
        {
            List<ObjectAttribute> attributes = [];
            Add("kind", Kind);
            Add("index", Index.ToString(CultureInfo.InvariantCulture));
            Add("MAC", Mac?.ToString());
            Add("MTU", Mtu?.ToString(CultureInfo.InvariantCulture));
            Add("alias", Alias);
            Add("state", IsUp ? "up" : "down");
            return attributes;

            void Add(string name, string? value)
            {
                if (value is not null)
                {
                    attributes.Add(new ObjectAttribute(name, value));
                }
            }
        }
    }

    public override IEnumerable<Difference> Compare(KernelObject? found) =>
        found is null ? [new Difference($"link {Subject}", Description, "none")] : base.Compare(found);

    public override bool CanChange(KernelObject found) =>
        found is LinkState link && link.Index == Index && (Kind is null || link.Kind == Kind)
            ? true
            : throw new IsolationException(IsolationFault.Differs, $"{Name} is another interface than the container's", "remove it, and repair again");

    public override bool FallsWith(KernelObject other) =>
        IsMadeWithVeth && other is VethState veth && veth.Index == Index && Place == Place.Container;

    /// <summary>The same link, down: while it is, nothing passes it.</summary>
    internal void Close(ChangeContext context) => Links.SetDown(context.Batch, Index, $"take down {Name}");

    internal override void Create(ChangeContext context) => Write(context, withAddress: !IsMadeWithVeth);

    internal override void Change(ChangeContext context) => Write(context, withAddress: true);

    internal override void Delete(ChangeContext context) => Links.Delete(context.Batch, Index, $"remove {Name}");

    private void Write(ChangeContext context, bool withAddress)
    {
        var operation = $"set {(IsUp ? "up" : "back")} {Subject}";
        var (mac, mtu) = withAddress ? (Mac, Mtu) : (null, null);
        if (IsUp)
        {
            Links.SetUp(context.Batch, Index, operation, mac, mtu, Alias);
        }
        else
        {
            Links.Restore(context.Batch, Index, mac, mtu ?? 0, up: false, operation);
        }
    }

    /// <summary>As the kernel shows one.</summary>
    public static LinkState From(Place place, Link link) => new(link.Name, link.Index)
    {
        Place = place, Kind = link.Kind ?? "", Mac = link.Mac, Mtu = link.Mtu, IsUp = link.IsUp, Alias = link.Alias ?? "",
    };
}
