namespace CniIsolator.Ipam;

/// <summary>Who owns a port, with what an error message needs.</summary>
/// <param name="Network">Of the holder, as are the next two.</param>
/// <param name="ContainerId">The holder's container id.</param>
/// <param name="IfName">The holder's interface inside the container.</param>
/// <param name="Range">All of the holder's range that is in the way, not only the part in common.</param>
/// <param name="Protocol">Null for a slice, which is owned for every protocol.</param>
public sealed record PortHolder(
    string Network, string ContainerId, string IfName, PortRange Range, TransportProtocol? Protocol)
{
    public AttachmentKey Key => new(Network, ContainerId, IfName);

    /// <summary>Whether the range is the holder's ephemeral slice rather than ports given by the framework.</summary>
    public bool IsSlice => Protocol is null;

    public override string ToString() =>
        $"container {ContainerId} ({IfName}, network {Network}) owns "
        + (Protocol is { } protocol ? new PortClaim(protocol, Range).ToString() : $"ephemeral ports {Range}");
}

/// <summary>
/// The ports of one address and their owners, over all networks that share it. Fixed ports are owned for one
/// protocol; a slice is owned for all of them, as its filter looks at the port alone.
/// </summary>
public sealed class PortSpace
{
    private readonly List<Attachment> _attachments;

    public PortSpace(IEnumerable<Attachment> attachments) => _attachments = [.. attachments];

    /// <summary>The slices in use.</summary>
    public IEnumerable<PortRange> Slices => _attachments.Select(a => a.Ports.Slice);

    /// <summary>Everything that a new slice must stay clear of: slices and fixed ports of any protocol.</summary>
    public IEnumerable<PortRange> Owned => Slices.Concat(_attachments.SelectMany(a => a.OwnedClaims).Select(c => c.Range));

    /// <summary>Who stands in the way of giving these fixed ports to a container, or null.</summary>
    /// <param name="claim">The ports asked for.</param>
    /// <param name="asker">An attachment that does not stand in its own way, for changing its ports; its slice still does.</param>
    public PortHolder? FindHolder(PortClaim claim, AttachmentKey? asker = null)
    {
        foreach (var attachment in _attachments)
        {
            if (attachment.Ports.Slice.Overlaps(claim.Range))
            {
                return Holder(attachment, attachment.Ports.Slice, null);
            }

            if (attachment.Key == asker)
            {
                continue;
            }

            foreach (var fixedPorts in attachment.OwnedClaims)
            {
                if (fixedPorts.Protocol == claim.Protocol && fixedPorts.Range.Overlaps(claim.Range))
                {
                    return Holder(attachment, fixedPorts.Range, fixedPorts.Protocol);
                }
            }
        }

        return null;
    }

    /// <summary>Who stands in the way of using this range as a slice, or null.</summary>
    public PortHolder? FindHolder(PortRange slice)
    {
        foreach (var attachment in _attachments)
        {
            if (attachment.Ports.Slice.Overlaps(slice))
            {
                return Holder(attachment, attachment.Ports.Slice, null);
            }

            foreach (var fixedPorts in attachment.OwnedClaims)
            {
                if (fixedPorts.Range.Overlaps(slice))
                {
                    return Holder(attachment, fixedPorts.Range, fixedPorts.Protocol);
                }
            }
        }

        return null;
    }

    private static PortHolder Holder(Attachment attachment, PortRange range, TransportProtocol? protocol) =>
        new(attachment.Key.Network, attachment.Key.ContainerId, attachment.Key.IfName, range, protocol);
}
