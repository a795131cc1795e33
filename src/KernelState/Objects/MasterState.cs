using System.Globalization;
using System.Net;
using CniIsolator.Ipam;

namespace CniIsolator.KernelState.Objects;

/// <summary>
/// What a container has taken over from the host. It is the host's own and never changed: where the host has moved, the container is made to follow.
/// All of it guards: a container with another address, MAC, MTU or next hop than the host has reaches nobody.
/// </summary>
/// <param name="Values">What the container has.</param>
public sealed record MasterState(HostValues Values) : KernelObject
{
    public override ObjectKey Key => new("master", "");

    public override string Subject => Values.Master;

    public override bool IsMessage => false;

    public override string Description => $"{Values.Master} with address {Values.Address}";

    /// <summary>The interface that it should be; null for that of the default route.</summary>
    public string? Wanted { get; init; } = Values.Master;

    /// <summary>The address that the configuration names; null where it names none.</summary>
    public IPAddress? WantedAddress { get; init; }

    /// <summary>Why the host has none that could be shared; null where it has.</summary>
    public string? Obstacle { get; init; }

    public override IReadOnlyList<ObjectAttribute> Attributes =>
    [
        new("name", Values.Master),
        new("index", Values.MasterIndex.ToString(CultureInfo.InvariantCulture)),
        new("MAC", Values.Mac),
        new("MTU", Values.Mtu.ToString(CultureInfo.InvariantCulture)),
        new("address", string.Create(CultureInfo.InvariantCulture, $"{Values.Address}/{Values.PrefixLength}")),
        new("gateway", Values.Gateway?.ToString() ?? "none"),
    ];

    public override IEnumerable<Difference> Compare(KernelObject? found)
    {
        if (found is MasterState { Obstacle: { } obstacle })
        {
            return [new Difference("master", Description, obstacle)];
        }

        // Its name and the route are not things that an interface has.
        return base.Compare(found).Select(d => d.Subject == $"name of {Subject}" ? d with { Subject = "master" }
            : d.Subject == $"gateway of {Subject}" ? d with { Subject = "gateway of the host" }
            : d);
    }

    public override bool CanChange(KernelObject found) => true;

    internal override void Create(ChangeContext context)
    {
    }

    internal override void Change(ChangeContext context)
    {
    }

    internal override void Delete(ChangeContext context)
    {
    }
}
