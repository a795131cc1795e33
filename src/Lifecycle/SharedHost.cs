using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Netlink.Route;
using Serilog;

namespace CniIsolator.Lifecycle;

/// <summary>The host that a new container is to share, beside what containers that run share already.</summary>
/// <param name="session">The command's session.</param>
/// <param name="host">The host as it is now.</param>
/// <param name="log">Where a note that was lost is told of.</param>
internal sealed class SharedHost(Session session, HostConfiguration host, ILogger log)
{
    /// <summary>One master and one address for all.</summary>
    /// <exception cref="IsolationException">7: containers that run share others, and the new one cannot be beside them.</exception>
    public void Refuse(StoreTransaction store)
    {
        RefuseOtherMaster(store);
        RefuseOtherAddress(store);
    }

    /// <summary>Containers that run and share another address, MAC or master than the host has now.</summary>
    public IReadOnlyList<AttachmentKey> FindLeftBehind(StoreTransaction store) =>
    [
        .. store.Attachments
            .Where(a => a.State == AttachmentState.Ready && session.IsOnThisHost(a) && IsElsewhere(a) && session.Conditions.IsAlive(a))
            .Select(a => a.Key),
    ];

    /// <summary>Whether the note of what the host was like before the first container is of this host, this master and this boot.</summary>
    public bool IsNoted(StoreTransaction store) =>
        store.Host is { } note && note.HostNetns == session.Self.Netns && note.MasterIfIndex == host.Master.Index && !IsStale(store);

    /// <summary>What the host was like before the first container, as far as that can be known now.</summary>
    /// <exception cref="IOException">The kernel or the store does not say.</exception>
    public HostRecord Describe()
    {
        var attachments = session.Store.ReadAll().Attachments.Where(session.IsOnThisHost).ToList();
        if (session.Store.FindHost() is { } kept)
        {
            var now = HostDataPath.Describe(session.Host, host, session.Self.Netns);

            // Containers that are gone have left the loopback, and may have left the master, as they have made it.
            return attachments.Count == 0 || kept.HostNetns != now.HostNetns ? now : HostDataPath.Follow(kept, now);
        }

        if (attachments.Find(session.Conditions.IsAlive) is not { } running)
        {
            return HostDataPath.Describe(session.Host, host, session.Self.Netns);
        }

        var (note, assumed) = HostDataPath.Reconstruct(session.Host, host, running);
        log.Warning(
            "the note of what the host was like before the first container was lost and is written anew; assumed: {Assumed}",
            string.Join("; ", assumed));
        return note;
    }

    private bool IsElsewhere(Attachment attachment) =>
        attachment.Host.Mac != host.Values.Mac
        || !attachment.Host.Address.Equals(host.Values.Address)
        || attachment.Host.MasterIndex != host.Master.Index;

    /// <summary>
    /// A note without any attachment of this boot may be of an earlier boot. So may one beside dead records alone: it was left on a read-only
    /// file system when the last container went.
    /// </summary>
    private bool IsStale(StoreTransaction store) =>
        !store.Attachments.Any(a => session.IsOnThisHost(a) && session.Conditions.IsAlive(a))
        && HostDataPath.ReadLoopbackMac(session.Host) != host.Master.Mac;

    /// <summary>One master, and as it is now: containers of one that was made anew have to be brought over first.</summary>
    private void RefuseOtherMaster(StoreTransaction store)
    {
        if (store.Attachments.FirstOrDefault(
                a => session.IsOnThisHost(a) && a.Host.MasterIndex != host.Master.Index && session.Conditions.IsAlive(a)) is not { } other)
        {
            return;
        }

        if (other.Host.Master == host.Master.Name || Links.Find(session.Host, other.Host.MasterIndex) is null)
        {
            throw new IsolationException(
                IsolationFault.InvalidConfiguration,
                $"master \"{host.Master.Name}\": containers of this host share an interface {other.Host.Master} that is gone",
                "`cni-portmap-isolate repair --all` has them follow the host to the new one; then ADD again");
        }

        throw new IsolationException(
            IsolationFault.InvalidConfiguration,
            $"master \"{host.Master.Name}\": containers of this host share the address of {other.Host.Master} already",
            "the host's loopback can carry the MAC of one master only; use one master, or a state directory for each host namespace");
    }

    /// <summary>Where the operator names an address, and containers share another one that the host still has, they are not to be cut off.</summary>
    private void RefuseOtherAddress(StoreTransaction store)
    {
        if (host.Reason != AddressReason.Configured)
        {
            return;
        }

        var addresses = HostConfiguration.ListAddresses(session.Host, host.Master.Index).Select(a => a.Address.ToIPAddress()).ToHashSet();
        if (store.Attachments.FirstOrDefault(
                a => session.IsOnThisHost(a) && !a.Host.Address.Equals(host.Values.Address) && addresses.Contains(a.Host.Address)
                    && session.Conditions.IsAlive(a)) is { } other)
        {
            throw new IsolationException(
                IsolationFault.InvalidConfiguration,
                $"address \"{host.Values.Address}\": containers of this host share {other.Host.Address} already",
                $"all containers share one address; {other.Key} is one of those that have to end first");
        }
    }
}
