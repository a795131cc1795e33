using CniIsolator.Cni;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;

namespace CniIsolator.Plugin.Attaching;

/// <summary>The kernel's side of an attachment with a change that has begun: carries it out, or takes it back.</summary>
internal sealed class LiveAttachment : IDisposable
{
    private const string Adding = "add filters for the changed ports";
    private const string Removing = "remove filters of the previous ports";

    private readonly NetlinkConnection _host;
    private readonly Attachment _attachment;
    private readonly AttachmentChange _change;
    private readonly AttachmentPath _path;
    private readonly NetworkNamespace? _container;
    private readonly bool _setsEgress;
    private readonly bool _setsIngress;
    private readonly FilterChange _inside;
    private readonly FilterChange _onHostEnd;
    private readonly FilterChange _entries;

    /// <param name="session">The command's session.</param>
    /// <param name="attachment">The attachment, with its change.</param>
    /// <param name="request">What was asked for: a limit is set even where it stays the same, as somebody may have taken it off.</param>
    /// <param name="mayBeGone">Whether to do without the container where it cannot be entered.</param>
    /// <exception cref="CniException">103: the container has to be entered and cannot.</exception>
    public LiveAttachment(Session session, Attachment attachment, UpdateRequest? request = null, bool mayBeGone = false)
    {
        _host = session.Host;
        _attachment = attachment;
        _change = attachment.Change!;
        _path = AttachmentPath.Of(attachment);
        var after = After(attachment);
        _inside = new FilterChange(ContainerSide.Filters(_path), ContainerSide.Filters(after));
        _onHostEnd = new FilterChange(SourcePolicing.OnHostEnd(_path), SourcePolicing.OnHostEnd(after));
        _entries = new FilterChange(HostSide.Entries(_path), HostSide.Entries(after));
        _setsEgress = _change.Limits.Egress != attachment.Limits.Egress
            || (request?.EgressRate is not null && _change.Limits.Egress is not null);
        _setsIngress = _change.Limits.Ingress != attachment.Limits.Ingress
            || (request?.IngressRate is not null && _change.Limits.Ingress is not null);
        if (ChangesPorts(attachment) || _setsEgress)
        {
            _container = RecordedNamespace.TryOpen(attachment, attachment.Namespace.Path) ?? (mayBeGone ? null : throw Unreachable(attachment));
        }
    }

    /// <summary>What the filters are computed from once the change is made. Other ports come with other handles.</summary>
    public static AttachmentPath After(Attachment attachment)
    {
        var path = AttachmentPath.Of(attachment);
        return ChangesPorts(attachment) ? path with { Claims = attachment.Change!.Claims, Generation = 1 - path.Generation } : path;
    }

    /// <summary>
    /// Makes the change. The order keeps every port that both sides have: a packet finds the old filters until the new ones are there.
    /// </summary>
    /// <returns>Whether packets wait in a plain queue behind a limit.</returns>
    /// <exception cref="NetlinkException">The kernel refused; <see cref="Revert"/> is due.</exception>
    public bool Apply()
    {
        var plainQueue = _attachment.Features.PlainQueue;
        Inside(connection =>
        {
            _inside.Add(connection, Adding);
            if (_setsEgress)
            {
                plainQueue |= LimitChange.Apply(
                    connection, _path.ContainerEnd, _attachment.Key.IfName, _change.Limits.Egress, _attachment.Limits.Egress, _attachment.Host.Mtu);
            }
        });
        _onHostEnd.Add(_host, Adding);
        AddEntries();
        if (_setsIngress)
        {
            plainQueue |= LimitChange.Apply(
                _host, _path.HostEnd, _attachment.HostInterface, _change.Limits.Ingress, _attachment.Limits.Ingress, _attachment.Host.Mtu);
        }

        _entries.Remove(_host, Removing);
        _onHostEnd.Remove(_host, Removing);
        Inside(connection => _inside.Remove(connection, Removing));
        return plainQueue;
    }

    /// <summary>
    /// Takes back whatever of the change was made, in any state between. What the container's root has done to its own devices is
    /// no reason to leave the host's half changed: CHECK reports it.
    /// </summary>
    /// <exception cref="NetlinkException">The kernel refused something on the host.</exception>
    public void Revert()
    {
        TryInside(connection => _inside.Reversed.Add(connection, Removing, Errno.Exists));
        if (_setsEgress)
        {
            TryInside(connection => LimitChange.Apply(
                connection, _path.ContainerEnd, _attachment.Key.IfName, _attachment.Limits.Egress, _change.Limits.Egress, _attachment.Host.Mtu));
        }

        _onHostEnd.Reversed.Add(_host, Removing, Errno.Exists);
        _entries.Reversed.Add(_host, Removing, Errno.Exists);
        if (_setsIngress)
        {
            LimitChange.Apply(
                _host, _path.HostEnd, _attachment.HostInterface, _attachment.Limits.Ingress, _change.Limits.Ingress, _attachment.Host.Mtu);
        }

        // The tables are shared: what stood in the way of an entry of ours is somebody else's.
        _entries.Reversed.WithoutStrangers(_host).Remove(_host, Adding);
        _onHostEnd.Reversed.Remove(_host, Adding);
        TryInside(connection => _inside.Reversed.Remove(connection, Adding));
    }

    public void Dispose() => _container?.Dispose();

    private static bool ChangesPorts(Attachment attachment) => !attachment.Change!.Claims.SequenceEqual(attachment.Ports.Claims);

    /// <summary>An entry may be in the way that leads to a device that is gone, of a container that nobody remembers.</summary>
    private void AddEntries()
    {
        try
        {
            _entries.Add(_host, Adding);
        }
        catch (NetlinkException e) when (e.Errno == Errno.Exists)
        {
            _entries.Reversed.WithoutStrangers(_host).Remove(_host, Adding);
            HostSide.RemoveEntriesTo(_host, [FilterPlaces.Loopback, _path.Master], target: 0);
            _entries.Add(_host, Adding);
        }
    }

    private void TryInside(Action<NetlinkConnection> action)
    {
        try
        {
            Inside(action);
        }
        catch (NetlinkException)
        {
            // See Revert.
        }
    }

    private void Inside(Action<NetlinkConnection> action) => _container?.Run(() =>
    {
        using var connection = NetlinkConnection.Open();
        action(connection);
    });

    private static CniException Unreachable(Attachment attachment) => new(
        CniErrorCode.NamespaceMissing,
        $"the namespace of {attachment.Key} cannot be entered",
        attachment.Rebuilt
            ? "its record was rebuilt from the kernel, which does not tell where the namespace is"
            : $"\"{attachment.Namespace.Path}\" is not there, or another namespace is in its place");
}
