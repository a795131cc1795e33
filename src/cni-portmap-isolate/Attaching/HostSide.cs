using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Plugin.Attaching;

/// <summary>The host's side of one attachment: its end of the veth, and its entries in the shared tables.</summary>
internal static class HostSide
{
    /// <summary>
    /// Sets up the host's end and enters the container into the demultiplexer, in one batch. The entries come last, when
    /// both ends of the veth are up: before that they would swallow packets.
    /// </summary>
    public static HostSideResult Build(NetlinkConnection host, Attachment attachment, AttachmentPath path, HostEndPrograms programs)
    {
        foreach (var (name, value) in Sysctls(attachment.HostInterface))
        {
            Sysctl.Write(name, value);
        }

        var batch = Compose(attachment, path, programs, out var guard, out var last, out var leaf, out var firstEntry);
        var failures = Shaper.WithoutLeaf(host.Execute(batch), leaf, out var plainQueue);

        // Programs can be loaded on kernels that have no filter to put them into.
        var guards = programs.Guard is not null && !IsWithoutFilter(failures, guard);
        var drops = programs.Drop is not null && !IsWithoutFilter(failures, last);
        failures = [.. failures.Where(f => (f.Index != guard && f.Index != last) || f.Errno != Errno.NoEntry)];
        List<U32Filter> entries = failures.Count == 0 ? [] : [.. Entries(path)];
        return new HostSideResult(
            failures,
            [.. failures.Where(f => f.Index >= firstEntry && f.Errno == Errno.Exists).Select(f => entries[f.Index - firstEntry].Handle)],
            plainQueue,
            drops,
            guards);
    }

    /// <summary>
    /// What no filter redirects goes up the host's stack on this device, and must end there, whatever the host's own
    /// settings are: not forwarded, no foreign source, no IPv6.
    /// </summary>
    public static IEnumerable<(string Name, string Value)> Sysctls(string hostInterface)
    {
        yield return ($"net/ipv4/conf/{hostInterface}/forwarding", "0");
        yield return ($"net/ipv4/conf/{hostInterface}/rp_filter", "1");
        yield return ($"net/ipv4/conf/{hostInterface}/arp_ignore", "8");
        yield return ($"net/ipv6/conf/{hostInterface}/disable_ipv6", "1");
        yield return ($"net/ipv6/conf/{hostInterface}/accept_ra", "0");
    }

    /// <summary>The container's entries in the shared tables.</summary>
    public static IEnumerable<U32Filter> Entries(AttachmentPath path) =>
        UniqueFlows.Entries(path).Concat(PortDemultiplexer.OnLoopback(path)).Concat(PortDemultiplexer.OnMaster(path));

    /// <summary>The interface's alias, which tells a person and a rebuilt record whose it is.</summary>
    public static string Alias(AttachmentKey key) => $"{AliasPrefix}{key.Network} {key.ContainerId} {key.IfName}";

    /// <summary>The alias, or null where it is too long for the kernel.</summary>
    public static string? AliasOrNull(AttachmentKey key) => Alias(key) is { Length: <= LongestAlias } alias ? alias : null;

    /// <summary>The key in an alias, or null. A key too long for the kernel's 255 bytes has been left out of it.</summary>
    public static AttachmentKey? ParseAlias(string? alias) =>
        alias is not null
        && alias.StartsWith(AliasPrefix, StringComparison.Ordinal)
        && alias[AliasPrefix.Length..].Split(' ') is [var network, var container, var ifName]
            ? new AttachmentKey(network, container, ifName)
            : null;

    /// <summary>Takes the container out of the demultiplexer, and removes the veth, both ends at once.</summary>
    /// <param name="host">A connection into the host's namespace.</param>
    /// <param name="paths">What the entries are computed from.</param>
    /// <param name="hostInterface">The device is removed only if it has this name.</param>
    public static void Remove(NetlinkConnection host, IEnumerable<AttachmentPath> paths, string hostInterface)
    {
        RemoveEntries(host, paths);
        RemoveLink(host, hostInterface);
    }

    /// <summary>Takes the container out of the demultiplexer.</summary>
    /// <param name="host">A connection into the host's namespace.</param>
    /// <param name="paths">What the entries are computed from.</param>
    /// <param name="keep">Entries that are not this container's, since making them failed.</param>
    public static void RemoveEntries(NetlinkConnection host, IEnumerable<AttachmentPath> paths, IReadOnlySet<U32Handle>? keep = null)
    {
        var batch = new NetlinkBatch();
        foreach (var filter in paths.SelectMany(Entries).Where(f => keep is null || !keep.Contains(f.Handle)))
        {
            U32Filters.Delete(batch, filter.At, filter.Handle, "remove the container's entries");
        }

        host.ExecuteOrThrow(batch);
    }

    /// <summary>Whether the filter that drops what nothing else matched is there.</summary>
    public static bool HasDrop(NetlinkConnection host, int index) =>
        U32Filters.ListPriorities(host, index, TcHandle.Ingress).Contains(("bpf", FilterPlaces.DropPriority, EthernetProtocol.All));

    public static void AddDrop(NetlinkBatch batch, int index, BpfProgram drop, string hostInterface) =>
        BpfFilters.Add(batch, FilterPlaces.Drop(index), drop.Descriptor, DropName, $"add the last filter to {hostInterface}");

    /// <summary>Whether the filter that looks at the places of checksums is there.</summary>
    public static bool HasGuard(NetlinkConnection host, int index) =>
        U32Filters.ListPriorities(host, index, TcHandle.Ingress).Contains(("bpf", FilterPlaces.GuardPriority, EthernetProtocol.All));

    public static void AddGuard(NetlinkBatch batch, int index, BpfProgram guard, string hostInterface) =>
        BpfFilters.Add(batch, FilterPlaces.Guard(index), guard.Descriptor, GuardName, $"add the first filter to {hostInterface}");

    /// <summary>Takes back what <see cref="Build"/> made, but leaves the device.</summary>
    public static void Clear(NetlinkConnection host, AttachmentPath path)
    {
        var batch = new NetlinkBatch();
        foreach (var filter in Entries(path))
        {
            U32Filters.Delete(batch, filter.At, filter.Handle, "remove the container's entries");
        }

        Qdiscs.DeleteClsact(batch, path.HostEnd, "remove clsact from the host's end");
        Shaper.Remove(batch, path.HostEnd, "the host's end");
        host.ExecuteOrThrow(batch);
    }

    /// <summary>Where the shared tables hang.</summary>
    public static FilterAttachment[] Places(int master) =>
        [FilterPlaces.Arp(master), FilterPlaces.Internet(master), FilterPlaces.Internet(FilterPlaces.Loopback)];

    /// <summary>Removes the veth by its name; its absence is success.</summary>
    public static void RemoveLink(NetlinkConnection host, string hostInterface)
    {
        if (Links.Find(host, hostInterface) is not { } link)
        {
            return;
        }

        var batch = new NetlinkBatch(256);
        Links.Delete(batch, link.Index, $"remove {hostInterface}");
        host.ExecuteOrThrow(batch);
    }

    /// <summary>
    /// Removes every entry that leads to a device, or to one that is gone: for an attachment without a record.
    /// </summary>
    public static void RemoveEntriesTo(NetlinkConnection host, IEnumerable<int> devices, int target)
    {
        foreach (var device in devices)
        {
            var batch = new NetlinkBatch();
            foreach (var place in (FilterAttachment[])[FilterPlaces.Arp(device), FilterPlaces.Internet(device)])
            {
                foreach (var node in U32Filters.List(host, place).OfType<U32Node>().Where(n => n.Action?.Target == target))
                {
                    U32Filters.Delete(batch, place, node.Handle, "remove stray entries");
                }
            }

            host.ExecuteOrThrow(batch);
        }
    }

    /// <summary>Removes every entry that puts packets into a container's queue on the master; 0 is no queue.</summary>
    public static void RemoveEntriesOf(NetlinkConnection host, int master, int flow)
    {
        var batch = new NetlinkBatch();
        var place = FilterPlaces.Internet(master, UniqueFlows.Qdisc);
        foreach (var node in flow == 0 ? [] : U32Filters.List(host, place).OfType<U32Node>().Where(n => n.Class == (UniqueFlows.Qdisc | (uint)flow)))
        {
            U32Filters.Delete(batch, place, node.Handle, "remove stray entries");
        }

        if (batch.Count > 0)
        {
            host.ExecuteOrThrow(batch);
        }
    }

    private const string DropName = "portmap-drop";

    private const string GuardName = "portmap-guard";

    private const string AliasPrefix = "portmap-isolate ";

    private const int LongestAlias = 255; // IFALIASZ less its NUL

    private const int None = -1;

    private static bool IsWithoutFilter(IReadOnlyList<NetlinkFailure> failures, int index) =>
        failures.Any(f => f.Index == index && f.Errno == Errno.NoEntry);

    private static NetlinkBatch Compose(
        Attachment attachment, AttachmentPath path, HostEndPrograms programs, out int guard, out int last, out int leaf, out int firstEntry)
    {
        var batch = new NetlinkBatch();
        Links.SetUp(batch, path.HostEnd, $"set up {attachment.HostInterface}", alias: AliasOrNull(attachment.Key));
        Qdiscs.AddClsact(batch, path.HostEnd, $"add clsact to {attachment.HostInterface}");
        guard = programs.Guard is null ? None : batch.Count;
        if (programs.Guard is not null)
        {
            AddGuard(batch, path.HostEnd, programs.Guard, attachment.HostInterface);
        }

        var policing = $"add filters to {attachment.HostInterface}";
        foreach (var filter in SourcePolicing.OnHostEnd(path))
        {
            U32Filters.Add(batch, filter, policing);
        }

        last = programs.Drop is null ? None : batch.Count;
        if (programs.Drop is not null)
        {
            AddDrop(batch, path.HostEnd, programs.Drop, attachment.HostInterface);
        }

        leaf = attachment.Limits.Ingress is { } limit ? Shaper.Add(batch, path.HostEnd, limit, attachment.Host.Mtu, attachment.HostInterface) : None;
        firstEntry = batch.Count;
        foreach (var filter in Entries(path))
        {
            U32Filters.Add(batch, filter, "add the container's entries");
        }

        return batch;
    }
}

/// <summary>What became of the host's side.</summary>
/// <param name="Failures">What the kernel refused.</param>
/// <param name="InTheWay">Entries that were refused since another filter has their handle.</param>
/// <param name="PlainQueue">Whether packets wait in a plain queue, as the kernel has no fq_codel.</param>
/// <param name="DropsUnmatched">Whether the last filter is there, which drops what no other lets pass.</param>
/// <param name="GuardsChecksums">Whether the first filter is there, which drops what would become another packet behind the others.</param>
internal sealed record HostSideResult(
    IReadOnlyList<NetlinkFailure> Failures, HashSet<U32Handle> InTheWay, bool PlainQueue, bool DropsUnmatched, bool GuardsChecksums);
