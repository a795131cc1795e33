using System.Diagnostics;
using CniIsolator.DataPath;
using CniIsolator.Ipam;
using CniIsolator.KernelState;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Plugin.Attaching;
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
    private readonly HostConfiguration _facts;
    private readonly Dictionary<int, Attachment> _attachments = [];

    public KernelFloor(Topology topology)
    {
        Topology = topology;
        (_host, _namespace, _facts) = topology.Host.Run(() =>
        {
            NetlinkConnection host = NetlinkConnection.Open();
            HostConfiguration facts = HostConfiguration.Read(host, topology.Options.Master, null, []);
            SharedHostState.Ensure(host, facts, hostLoopback: true, flows: null);
            return (host, NetworkNamespace.OpenCurrent(), facts);
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
        AttachmentPath path = AttachmentPath.Of(attachment);
        long started = Stopwatch.GetTimestamp();
        inside.Run(() => ContainerSide.Build(attachment, path, _namespace.Descriptor, null));
        using HostEndPrograms programs = HostEndPrograms.Load();
        IReadOnlyList<NetlinkFailure> failures = HostSide.Build(_host, attachment, path, programs).Failures;
        double milliseconds = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        if (failures.Count > 0)
        {
            throw failures[0].ToException();
        }

        _attachments[number] = attachment;
        return milliseconds;
    });

    public double Delete(int number, Namespace container) => Topology.Host.Run(() =>
    {
        _attachments.Remove(number, out Attachment? attachment);
        AttachmentPath path = AttachmentPath.Of(attachment!);
        using NetworkNamespace inside = NetworkNamespace.Open(container.Path);
        long started = Stopwatch.GetTimestamp();
        NetlinkBatch entries = new();
        foreach (CniIsolator.Netlink.Tc.U32Filter filter in HostSide.Entries(path))
        {
            CniIsolator.Netlink.Tc.U32Filters.Delete(entries, filter.At, filter.Handle, "remove the container's entries");
        }

        _host.ExecuteOrThrow(entries);
        long deleting = Stopwatch.GetTimestamp();
        NetlinkBatch link = new(256);
        Links.Delete(link, path.HostEnd, "remove the veth");
        _host.ExecuteOrThrow(link);
        DeleteLink.Add(Stopwatch.GetElapsedTime(deleting).TotalMilliseconds);
        inside.Run(() => ContainerSide.Remove());
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
            Host = _facts.ToValues(),
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
