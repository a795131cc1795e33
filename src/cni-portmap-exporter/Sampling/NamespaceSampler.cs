using CniIsolator.Exporter.Namespaces;
using CniIsolator.Exporter.Snmp;
using CniIsolator.Exporter.Sockets;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Exporter.Sampling;

/// <summary>Adds to samples of containers what is known only inside their namespaces.</summary>
internal sealed class NamespaceSampler : IDisposable
{
    private readonly ExporterSettings _settings;
    private readonly NamespaceHandles _handles;
    private readonly NamespaceHandleParts _parts;
    private readonly SocketCollector _sockets = new();
    private readonly bool _egress;

    // All tables are a quarter of it.
    private readonly byte[] _text = new byte[16 * 1024];

    public NamespaceSampler(ExporterSettings settings, TimeProvider clock)
    {
        _settings = settings;
        _parts = SocketCollector.Parts(settings.Sockets) | (settings.Snmp ? NamespaceHandleParts.Protocols : NamespaceHandleParts.None);

        // An operator who gave no permission to enter containers, and no option that needs it, wants no egress queues: that is no fault with each answer.
        _egress = _parts != NamespaceHandleParts.None || EnterPermission.IsGranted();
        _handles = new NamespaceHandles(clock, DescriptorLimit.Raise());
    }

    /// <summary>Times that a namespace could not be entered or looked into.</summary>
    public ulong Failures => _handles.Failures;

    /// <summary>Completes each sample in place.</summary>
    /// <param name="containers">The containers.</param>
    /// <param name="all">Whether there are no others: then what is kept of others is let go.</param>
    public void Complete(List<ContainerSample> containers, bool all)
    {
        using var hold = _handles.Hold();
        foreach (var container in containers)
        {
            Complete(container);
        }

        if (all)
        {
            _handles.CloseOthers();
        }
    }

    public void Dispose() => _handles.Dispose();

    private void Complete(ContainerSample container)
    {
        // The shaper of what a container sends stands on its own interface.
        var limited = _egress && container.Attachment.Limits.Egress is not null;
        var parts = _parts | (limited ? NamespaceHandleParts.Route : NamespaceHandleParts.None);
        if (parts == NamespaceHandleParts.None || _handles.TryGet(container.Attachment, parts) is not { } handle)
        {
            return;
        }

        try
        {
            var snmp = handle.Protocols is { } file ? SnmpParser.Parse(_text.AsSpan(0, file.Read(_text))) : null;
            container.Snmp = _settings.Snmp ? snmp : null;
            container.Sockets = _settings.Sockets == SocketDetail.None ? null : _sockets.Collect(handle, container.Attachment, snmp?.RetransmittedSegments);
            if (limited)
            {
                AddEgress(container, handle.Route!);
            }
        }
        catch (IOException)
        {
            // Counted, and a new handle looks at nothing that is left of this one's answers.
            _handles.Fail(container.Attachment);
        }
    }

    private static void AddEgress(ContainerSample container, NetlinkConnection route)
    {
        var index = container.Attachment.Numbers.ContainerEnd;
        var device = DeviceQueues.Of(TcStatistics.ListQdiscs(route, index));
        container.EgressInForce = container.WarnUnlessInForce(device, "sends");
        List<QueueSample> queues = [];
        device.AddTo(queues, "");
        queues.AddRange(container.Queues);
        container.Queues = queues;
    }
}
