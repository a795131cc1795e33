using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Plugin.Attaching;

/// <summary>
/// Puts a record that cannot be read together again from what the kernel has: the interface's alias has the key, and the
/// filters on it have the ports.
/// </summary>
internal static class RecordRecovery
{
    /// <summary>The record, or null and the reason.</summary>
    public static (Attachment? Attachment, string Reason) TryRebuild(
        NetlinkConnection host, Link link, HostConfiguration facts, string bootId, string hostNetns)
    {
        if (HostSide.ParseAlias(link.Alias) is not { } key || key.HostInterface != link.Name)
        {
            return (null, $"the alias of {link.Name} does not say whose it is");
        }

        var (slice, claims, generation) = SourcePolicing.ReadOwnedPorts(U32Filters.List(host, FilterPlaces.Internet(link.Index)));
        if (slice is null)
        {
            return (null, $"{link.Name} has no filters that say which ports it owns");
        }

        var slot = U32Filters.List(host, FilterPlaces.Arp(facts.Master.Index))
            .OfType<U32Node>()
            .FirstOrDefault(n => n.Action?.Target == link.Index)?.Handle.Node;
        if (slot is null)
        {
            return (null, $"{facts.Master.Name} has no filter that leads to {link.Name}");
        }

        var loopback = U32Filters.List(host, FilterPlaces.Internet(link.Index))
            .OfType<U32Node>()
            .Any(n => n.Handle.AsRequested == new U32Handle(FilterPlaces.Root, 0, 2));
        return (
            new Attachment
            {
                Network = key.Network,
                ContainerId = key.ContainerId,
                IfName = key.IfName,
                Netns = "",
                NetnsDevice = 0,
                NetnsInode = 0,
                BootId = bootId,
                HostNetns = hostNetns,
                IfIndex = link.Index,
                ContainerIfIndex = link.PeerIndex,
                Slot = slot.Value,
                State = AttachmentState.Ready,
                Master = facts.Master.Name,
                MasterIfIndex = facts.Master.Index,
                Mac = link.Mac.ToString(),
                Mtu = (int)link.Mtu,
                Address = facts.Address.Address.ToString(),
                PrefixLength = facts.Address.PrefixLength,
                Gateway = facts.Gateway?.ToString(),
                Slice = slice.Value,
                Claims = claims,
                Egress = null, // Known inside the container only.
                Ingress = Shaper.ReadLimit(Htb.ListClasses(host, link.Index)),
                PlainQueue = Qdiscs.Find(host, link.Index, TcHandle.Root) is { Htb: not null } && Qdiscs.Find(host, link.Index, Shaper.Class)?.FqCodel is null,
                Flow = UniqueFlows.ReadFlow(U32Filters.List(host, FilterPlaces.Internet(facts.Master.Index, UniqueFlows.Qdisc)), slice.Value),
                Generation = generation,
                DropsUnmatched = HostSide.HasDrop(host, link.Index),
                GuardsChecksums = HostSide.HasGuard(host, link.Index),
                HostLoopback = loopback ? HostLoopback.Allow : HostLoopback.Deny,
                Args = [],
                Created = DateTimeOffset.UtcNow,
                CreatorPid = 0,
                CreatorStartTime = 0,
                Rebuilt = true,
            },
            "");
    }
}
