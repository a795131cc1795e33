using CniIsolator.DataPath;
using CniIsolator.KernelState.Plans;
using CniIsolator.Ipam;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.KernelState;

/// <summary>
/// Puts a record that cannot be read together again from what the kernel has: the interface's alias has the key, and the
/// filters on it have the ports.
/// </summary>
public static class Recovery
{
    /// <summary>The record, or null and the reason.</summary>
    public static (Attachment? Attachment, string Reason) TryRebuild(
        NetlinkConnection host, Link link, HostConfiguration facts, string bootId, string hostNetns)
    {
        if (HostEndAlias.Parse(link.Alias) is not { } key || key.HostInterface != link.Name)
        {
            return (null, $"the alias of {link.Name} does not say whose it is");
        }

        var (slice, claims, generation) = SourcePolicing.ReadOwnedPorts(U32Filters.List(host, Hooks.Internet(link.Index)));
        if (slice is null)
        {
            return (null, $"{link.Name} has no filters that say which ports it owns");
        }

        var slot = U32Filters.List(host, Hooks.Arp(facts.Master.Index))
            .OfType<U32Node>()
            .FirstOrDefault(n => n.Action?.Target == link.Index)?.Handle.Node;
        if (slot is null)
        {
            return (null, $"{facts.Master.Name} has no filter that leads to {link.Name}");
        }

        var priorities = U32Filters.ListPriorities(host, link.Index, TcHandle.Ingress);
        var loopback = U32Filters.List(host, Hooks.Internet(link.Index))
            .OfType<U32Node>()
            .Any(n => n.Handle.AsRequested == new U32Handle(Hooks.Root, 0, 2));
        return (
            new Attachment
            {
                Key = key,
                Namespace = new NamespaceReference("", 0, 0),
                MadeOn = new HostReference(bootId, hostNetns),
                Numbers = new KernelNumbers
                {
                    HostEnd = link.Index,
                    ContainerEnd = link.PeerIndex,
                    Slot = slot.Value,
                    Flow = UniqueFlows.ReadFlow(U32Filters.List(host, Hooks.Internet(facts.Master.Index, UniqueFlows.Qdisc)), slice.Value),
                    Generation = generation,
                },
                State = AttachmentState.Ready,
                Host = facts.Values with { Mac = link.Mac.ToString(), Mtu = (int)link.Mtu },
                Ports = new OwnedPorts { Slice = slice.Value, Claims = claims },
                Limits = new Limits(null, Shaper.ReadLimit(Htb.ListClasses(host, link.Index))), // That on what it sends is known inside the container only.
                Features = new KernelFeatures
                {
                    PlainQueue = Qdiscs.Find(host, link.Index, TcHandle.Root) is { Htb: not null } && Qdiscs.Find(host, link.Index, Shaper.Class)?.FqCodel is null,
                    DropsUnmatched = Has(Hooks.Drop(link.Index)),
                    GuardsChecksums = Has(Hooks.Guard(link.Index)),
                },
                HostLoopback = loopback ? HostLoopback.Allow : HostLoopback.Deny,
                Args = [],
                Created = DateTimeOffset.UtcNow,
                Process = default,
                Rebuilt = true,
            },
            "");

        bool Has(FilterAttachment at) => priorities.Contains(("bpf", at.Priority, at.Protocol));
    }
}
