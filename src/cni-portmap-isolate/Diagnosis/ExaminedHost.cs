using CniIsolator.Ipam;
using CniIsolator.Lifecycle;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.Tc;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Diagnosis;

/// <summary>What all examinations look at: the host, the store, and the configuration if there is one.</summary>
/// <param name="Session">The host's namespace, a connection into it, and the store.</param>
/// <param name="Configuration">A network's configuration; null where none was given, or a wrong one.</param>
/// <param name="Content">The store's records; none where it cannot be read.</param>
/// <param name="Networks">Networks that containers were added to, as the store remembers them.</param>
internal sealed record ExaminedHost(
    Session Session, NetworkConfiguration? Configuration, StoreContent Content, IReadOnlyList<NetworkRecord> Networks)
{
    public NetlinkConnection Connection => Session.Host;

    /// <summary>Records of this boot and this network namespace.</summary>
    public IReadOnlyList<Attachment> Attachments { get; } = [.. Content.Attachments.Where(Session.IsOnThisHost)];

    /// <summary>Those of containers that are complete, and whose namespace is there.</summary>
    public IReadOnlyList<Attachment> Running { get; } =
        [.. Content.Attachments.Where(a => a.State == AttachmentState.Ready && Session.IsOnThisHost(a) && Session.Conditions.HasNamespace(a))];

    public IReadOnlyList<Link> Links { get; } = Netlink.Route.Links.List(Session.Host);

    public IReadOnlyList<Qdisc> Qdiscs { get; } = Netlink.Tc.Qdiscs.List(Session.Host, index: 0);

    /// <summary>Name of the interface whose address is shared: the configuration's, else the containers', else null for that of the default route.</summary>
    public string? MasterName => Configuration is not null ? Configuration.Master : Attachments.Count > 0 ? Attachments[0].Host.Master : null;

    /// <summary>A command of this program about this store, to be copied.</summary>
    public string Command(string words) =>
        $"cni-portmap-isolate {words}{(Session.Store.StateDir == ConfigurationKeys.DefaultStateDir ? "" : $" --state-dir {Session.Store.StateDir}")}";
}
