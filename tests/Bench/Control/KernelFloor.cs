using System.Diagnostics;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.KernelState.Objects;
using CniIsolator.KernelState.Observation;
using CniIsolator.KernelState.Plans;
using CniIsolator.Testbed;

namespace CniIsolator.Bench.Control;

/// <summary>
/// The least that any program needs for the same result on this kernel: the plugin's own batches and sysctls, sent from
/// this warm process, without a start, a store, a log or a look at what is there.
/// </summary>
internal sealed class KernelFloor : IContestant, IDisposable
{
    private const int SliceSize = 64;
    private const int FirstSlice = 2048;
    private const int FirstIndex = 0x706d_0000;

    private readonly NetlinkConnection _host;
    private readonly NetworkNamespace _namespace;
    private readonly HostValues _values;
    private readonly Dictionary<int, Attachment> _attachments = [];

    public KernelFloor(Topology topology)
    {
        Topology = topology;
        (_host, _namespace, _values) = topology.Host.Run(() =>
        {
            NetlinkConnection host = NetlinkConnection.Open();
            HostValues values = HostConfiguration.Read(host, topology.Options.Master, null, []).Values;
            HostDataPath.Ensure(host, values, hostLoopback: true, flows: null);
            return (host, NetworkNamespace.OpenCurrent(), values);
        });
    }

    public string Name => "kernel alone (same batches, one warm process)";

    public Topology Topology { get; }

    /// <summary>The last message of each deletion by itself: RTM_DELLINK of the veth.</summary>
    public Sample DeleteLink { get; } = new();

    public double Add(int number, Namespace container) => Topology.Host.Run(() =>
    {
        using NetworkNamespace inside = NetworkNamespace.Open(container.Path);
        Attachment attachment = Describe(number, inside);
        long started = Stopwatch.GetTimestamp();
        using HostEndPrograms programs = HostEndPrograms.Load();
        AttachmentPlan plan = AttachmentPlan.Of(attachment, programs.Tags);
        inside.Run(() =>
        {
            using NetlinkConnection connection = NetlinkConnection.Open();
            new Reconciler(new NamespaceKernel(connection, Place.Container, _namespace.Descriptor)).Apply(plan.Container).OrThrow();
        });
        Outcome outcome = new Reconciler(new NamespaceKernel(_host, Place.Host, programs: programs)).Apply(new Plan([.. plan.HostEnd.Objects, .. plan.Entries.Objects]));
        double milliseconds = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        outcome.OrThrow();
        _attachments[number] = attachment;
        return milliseconds;
    });

    public double Delete(int number, Namespace container) => Topology.Host.Run(() =>
    {
        _attachments.Remove(number, out Attachment? attachment);
        using NetworkNamespace inside = NetworkNamespace.Open(container.Path);
        long started = Stopwatch.GetTimestamp();
        SharedEntries.Remove(new NamespaceKernel(_host, Place.Host), [AttachmentPlan.Of(attachment!).Entries]);
        long deleting = Stopwatch.GetTimestamp();
        NetlinkBatch link = new(256);
        Links.Delete(link, attachment!.Numbers.HostEnd, "remove the veth");
        _host.ExecuteOrThrow(link);
        DeleteLink.Add(Stopwatch.GetElapsedTime(deleting).TotalMilliseconds);
        inside.Run(() => ContainerRestoration.Steps(null).ForEach(step => step()));
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    });

    public void Dispose()
    {
        _host.Dispose();
        _namespace.Dispose();
    }

    private Attachment Describe(int number, NetworkNamespace inside)
    {
        PortRange slice = new((ushort)(FirstSlice + (number * SliceSize)), (ushort)(FirstSlice + (number * SliceSize) + SliceSize - 1));
        return new Attachment
        {
            Key = new AttachmentKey("bench", $"floor-{number}", "eth0"),
            State = AttachmentState.Creating,
            Namespace = new NamespaceReference(inside.Path, inside.Identity.Device, inside.Identity.Inode),
            MadeOn = new HostReference("", _namespace.Identity.ToString()),
            Numbers = new KernelNumbers { HostEnd = FirstIndex + slice.Begin, ContainerEnd = FirstIndex + slice.Begin, Slot = number + 1 },
            Host = _values,
            Ports = new OwnedPorts
            {
                Slice = slice,
                Claims = [.. Contestants.Ports(number).Select(port => new PortClaim(TransportProtocol.Tcp, PortRange.Single((ushort)port)))],
            },
            HostLoopback = HostLoopback.Allow,
            Args = [],
            Created = DateTimeOffset.UtcNow,
            Process = new ProcessIdentity(Environment.ProcessId, 0),
        };
    }
}
