using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.Attaching;
using CniIsolator.Plugin.Verification;

namespace CniIsolator.Plugin.Repairing;

/// <summary>Puts the host's side of an attachment right.</summary>
internal static class HostRepair
{
    private const string Policing = "put back the filters of the host's end";
    private const string Entering = "put back the container's entries";

    /// <summary>
    /// The host's end. Whatever passes its filters counts as sent by the container, so while any of them is not ours, or not as it was made,
    /// the device is down; it comes up with all of them in their places.
    /// </summary>
    /// <param name="host">A connection into the host's namespace.</param>
    /// <param name="target">What the attachment is to have.</param>
    /// <param name="link">The host's end.</param>
    /// <param name="interrupted">An ingress limit that an update was about to set when it died.</param>
    /// <param name="missing">Index of the master where it is gone, else 0: the kernel makes no filter that leads to it.</param>
    /// <returns>Whether packets wait in a plain queue behind the limit.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public static bool MendEnd(NetlinkConnection host, Attachment target, Link link, RateLimit? interrupted, int missing)
    {
        var path = AttachmentPath.Of(target);
        List<U32Filter> policing = [.. SourcePolicing.OnHostEnd(path).Where(f => !LeadsTo(f, missing))];
        var batch = new NetlinkBatch(1024);
        if (U32Filters.ListPriorities(host, link.Index, TcHandle.Ingress).Exists(p => !HostCheck.IsOurs(p.Priority)) || FilterRepair.HasStrange(host, policing, f => !IsExcused(f, missing)))
        {
            Links.SetDown(batch, link.Index, $"take down {link.Name}");
            Qdiscs.DeleteClsact(batch, link.Index, $"remove clsact from {link.Name}");
        }

        Qdiscs.AddClsact(batch, link.Index, $"add clsact to {link.Name}", Errno.Exists);
        host.ExecuteOrThrow(batch);
        FilterRepair.Converge(host, policing, f => !IsExcused(f, missing), Policing);
        AddPrograms(host, target, link);
        foreach (var (name, value) in HostSide.Sysctls(link.Name))
        {
            Set(name, value);
        }

        var plainQueue = LimitRepair.Mend(host, link.Index, link.Name, target.Ingress, interrupted, target);
        var last = new NetlinkBatch(1024);
        Links.SetUp(last, link.Index, $"set up {link.Name}", path.Mac, (uint)target.Mtu, HostSide.AliasOrNull(target.Key));
        host.ExecuteOrThrow(last);
        return plainQueue;
    }

    /// <summary>What the containers share. Held shared while this runs: somebody may be adding another container.</summary>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    /// <exception cref="Cni.CniException">Somebody else's qdisc stands where ours should.</exception>
    public static void MendShared(NetlinkConnection host, Attachment target, HostConfiguration facts, HostRecord note, int missing)
    {
        var path = AttachmentPath.Of(target);
        var up = new NetlinkBatch(256);
        Links.SetUp(up, FilterPlaces.Loopback, "set up the host's loopback");
        host.ExecuteOrThrow(up);
        Configuration.FlowClassifierParent? flows =
            target.Flow != 0 && Configuration.FlowClassifierParent.TryParse(note.FlowParent ?? "root", out var parent) ? parent : null;
        var shared = SharedHostState.All(target.MasterIfIndex, path.Address);
        SharedHostState.Ensure(host, facts, path.HostLoopback, flows, hasMaster: missing == 0);
        shared = target.Flow == 0 ? shared : shared.Concat(UniqueFlows.Shared(target.MasterIfIndex, path.Address));
        FilterRepair.Converge(host, shared.Where(f => f.At.Index != missing && !LeadsTo(f, missing)), LeadsNowhere, Entering);
    }

    /// <summary>The container's entries in the shared tables: there, as they should be, and no others that lead to it.</summary>
    public static void MendEntries(NetlinkConnection host, Attachment target, int missing)
    {
        var path = AttachmentPath.Of(target);
        FilterRepair.Converge(host, HostSide.Entries(path).Where(f => f.At.Index != missing), filter => LeadsNowhere(filter) || IsOf(filter, path), Entering);
    }

    public static void Set(string name, string value)
    {
        if (Sysctl.Read(name) is { } found && found != value)
        {
            Sysctl.Write(name, value);
        }
    }

    private static void AddPrograms(NetlinkConnection host, Attachment target, Link link)
    {
        var lacksGuard = target.GuardsChecksums && !HostSide.HasGuard(host, link.Index);
        var lacksDrop = target.DropsUnmatched && !HostSide.HasDrop(host, link.Index);
        if (!lacksGuard && !lacksDrop)
        {
            return;
        }

        using var programs = HostEndPrograms.Load();
        var batch = new NetlinkBatch(512);
        if (lacksGuard && programs.Guard is { } guard)
        {
            HostSide.AddGuard(batch, link.Index, guard, link.Name);
        }

        if (lacksDrop && programs.Drop is { } drop)
        {
            HostSide.AddDrop(batch, link.Index, drop, link.Name);
        }

        if (batch.Count > 0)
        {
            host.ExecuteOrThrow(batch);
        }
    }

    private static bool LeadsTo(U32Filter filter, int device) => device != 0 && filter is U32Node { Action: { } action } && action.Target == device;

    /// <summary>What led to a master that is gone drops, and is of no harm.</summary>
    private static bool IsExcused(U32Filter filter, int missing) => missing != 0 && LeadsNowhere(filter);

    private static bool LeadsNowhere(U32Filter filter) => filter is U32Node { Action.Target: 0 };

    private static bool IsOf(U32Filter filter, AttachmentPath path) =>
        filter is U32Node node
        && (node.Action?.Target == path.HostEnd || (path.Flow != 0 && node.Class == (UniqueFlows.Qdisc | (uint)path.Flow)));
}
