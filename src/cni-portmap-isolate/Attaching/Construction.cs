using CniIsolator.Cni;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Attaching;

/// <summary>Builds the kernel's side of one attachment whose ports are reserved, and takes all of it back on demand.</summary>
internal sealed class Construction(
    Session session,
    Attachment attachment,
    NetworkNamespace container,
    ContainerSnapshot before,
    HostConfiguration facts,
    FlowClassifierParent? flows,
    HostEndPrograms programs)
{
    private readonly AttachmentPath _path = AttachmentPath.Of(attachment);
    private HashSet<U32Handle> _foreign = [];

    /// <param name="first">Whether what all containers share may not be there.</param>
    /// <returns>The attachment, with what turned out of this kernel: whether it has fq_codel, and a filter for BPF.</returns>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    /// <exception cref="CniException">Something of somebody else's is in the way.</exception>
    public Attachment Build(bool first)
    {
        var gatewayMac = facts.Gateway is { } gateway ? Neighbours.Find(session.Host, facts.Master.Index, gateway) : null;
        var plainQueue = container.Run(() => ContainerSide.Build(attachment, _path, session.Namespace.Descriptor, gatewayMac));

        using var shared = session.HoldSharedState();
        if (first)
        {
            SharedHostState.Ensure(session.Host, facts, _path.HostLoopback, flows);
        }

        var result = HostSide.Build(session.Host, attachment, _path, programs);
        if (result.Failures.Count == 0)
        {
            return Built(result);
        }

        // The tables may have been removed behind our back, or a filter of an attachment that nobody remembers may be
        // in the way. Both are put right once, and only after a failure.
        _foreign = result.InTheWay;
        SharedHostState.Ensure(session.Host, facts, _path.HostLoopback, flows);
        ClearStrays();
        HostSide.Clear(session.Host, _path);
        result = HostSide.Build(session.Host, attachment, _path, programs);
        return result.Failures.Count == 0 ? Built(result) : throw result.Failures[0].ToException();

        Attachment Built(HostSideResult host) =>
            attachment with { PlainQueue = plainQueue || host.PlainQueue, DropsUnmatched = host.DropsUnmatched, GuardsChecksums = host.GuardsChecksums };
    }

    /// <summary>Puts container and host back as they were. Each part is tried, whatever becomes of the others.</summary>
    /// <returns>Why some of it is still there; none when all of it has gone.</returns>
    public IReadOnlyList<IOException> RollBack()
    {
        var faults = new List<IOException>();
        Attempt(() => container.Run(() => before.Restoration.ForEach(Attempt)));
        Attempt(() => HostSide.RemoveEntries(session.Host, [_path], _foreign));
        Attempt(() => HostSide.RemoveLink(session.Host, attachment.HostInterface));
        return faults;

        void Attempt(Action part)
        {
            try
            {
                part();
            }
            catch (IOException e)
            {
                faults.Add(e);
            }
        }
    }

    /// <summary>Removes filters in the way that lead nowhere; one that leads to a device is somebody's.</summary>
    private void ClearStrays()
    {
        foreach (var place in HostSide.Places(facts.Master.Index))
        {
            foreach (var node in U32Filters.List(session.Host, place).OfType<U32Node>().Where(n => _foreign.Contains(n.Handle)))
            {
                if (node.Action is { Target: not 0 } action && action.Target != _path.HostEnd && Links.Find(session.Host, action.Target) is { } link)
                {
                    throw new CniException(
                        CniErrorCode.PortTaken,
                        $"a filter that the store does not know leads from this container's ports to {link.Name}",
                        $"filter {node.Handle} of interface index {place.Index}; {link.Name} has the alias \"{link.Alias}\"");
                }
            }
        }

        HostSide.RemoveEntriesTo(session.Host, [FilterPlaces.Loopback, facts.Master.Index], target: 0);
        _foreign = [];
    }
}
