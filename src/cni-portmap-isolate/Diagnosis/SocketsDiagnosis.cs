using System.Globalization;
using CniIsolator.Ipam;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.SocketDiagnostics;
using CniIsolator.Plugin.Configuration;

namespace CniIsolator.Plugin.Diagnosis;

/// <summary>Sockets of the host's processes on ports that are containers', or may become theirs.</summary>
internal static class SocketsDiagnosis
{
    // A host whose pool is full of its own connections shows as many lines otherwise.
    private const int Most = 50;

    public static void Look(ExaminedHost host, FindingList findings)
    {
        var networks = NetworkRanges.Of(host);
        var given = PortSet.From(networks.SelectMany(n => n.Ports.Ranges.Concat(n.Pool.Ranges)).Concat(host.Attachments.Select(a => a.Ports.Slice)));
        using var diagnostics = NetlinkConnection.Open(NetlinkFamily.SocketDiagnostics);
        var found = PortSockets.List(diagnostics, (_, port) => given.Contains(port))
            .OrderBy(s => s.Port).ThenBy(s => s.Protocol).DistinctBy(s => $"{s.Protocol} {s.Port} {s.State == TcpState.Listen} {s.Owner}").ToList();
        if (found.Count == 0)
        {
            if (!given.IsEmpty)
            {
                findings.Good("sockets", $"no process of the host uses any of {given}");
            }

            return;
        }

        var holders = SocketHolders.Find(found.Select(s => s.Inode));
        foreach (var socket in found.GetRange(0, Math.Min(Most, found.Count)))
        {
            Describe(host, findings, networks, socket, holders.GetValueOrDefault(socket.Inode));
        }

        if (found.Count > Most)
        {
            findings.Warn("sockets", string.Create(CultureInfo.InvariantCulture, $"and {found.Count - Most} more sockets of the host on ports of containers"), "ss -tuanp");
        }
    }

    private static void Describe(ExaminedHost host, FindingList findings, List<NetworkRanges> networks, PortSocket socket, SocketHolder? holder)
    {
        var protocol = (TransportProtocol)socket.Protocol;
        var does = socket.State == TcpState.Listen || protocol == TransportProtocol.Udp ? "listens on" : "has a connection from";
        var who = holder is null
            ? string.Create(CultureInfo.InvariantCulture, $"a process of user {socket.Owner}")
            : string.Create(CultureInfo.InvariantCulture, $"{holder.Name} (process {holder.Pid} of user {socket.Owner})");
        var what = string.Create(CultureInfo.InvariantCulture, $"{who} {does} {protocol.ToString().ToLowerInvariant()} {socket.Address}");
        var process = holder is null ? "it" : string.Create(CultureInfo.InvariantCulture, $"{holder.Name} (process {holder.Pid})");

        // Nothing to be run blindly: whether it may be stopped only those know who started it.
        var remedy = string.Create(
            CultureInfo.InvariantCulture, $"stop {process}, or have it use another port; ss {Listing(protocol, socket.State)} 'sport = :{socket.Port}' shows it");
        if (host.Attachments.FirstOrDefault(a => Owns(a, protocol, socket.Port)) is { } owner)
        {
            if (holder is not null && IsMonitorOf(holder, owner))
            {
                findings.Good("sockets", $"{what} for {owner.Key}, whose monitor it is: nothing comes to it, and it keeps the port from others");
                return;
            }

            findings.Fault("sockets", $"{what}, which is {owner.Key}'s: whatever comes to it goes to the container", remedy);
        }
        else if (networks.Find(n => n.Pool.Contains(socket.Port)) is { } pool)
        {
            findings.Warn("sockets", $"{what}, in {ConfigurationKeys.EphemeralPorts} of network {pool.Name}: while it does, the slice around it is given to no container", remedy);
        }
        else if (networks.Find(n => n.Ports.Contains(socket.Port)) is { } ports)
        {
            findings.Warn("sockets", $"{what}, in {ConfigurationKeys.Ports} of network {ports.Name}: while it does, no container can have the port", remedy);
        }
    }

    private static string Listing(TransportProtocol protocol, TcpState state) => (protocol, state) switch
    {
        (TransportProtocol.Udp, _) => "-uapn",
        (_, TcpState.Listen) => "-ltpn",
        _ => "-tapn",
    };

    /// <summary>
    /// Whether a child of the process is in the container's namespace. Podman's monitor (conmon) holds sockets on the published ports, for as long as
    /// its container runs. Where the kernel does not list children (CONFIG_PROC_CHILDREN) nobody is taken for one.
    /// </summary>
    private static bool IsMonitorOf(SocketHolder holder, Attachment owner)
    {
        var container = owner.Namespace.Identity;
        try
        {
            return Directory.EnumerateDirectories(string.Create(CultureInfo.InvariantCulture, $"/proc/{holder.Pid}/task"))
                .SelectMany(task => File.ReadAllText(task + "/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Any(child => NetworkNamespace.IsAt($"/proc/{child}/ns/net", container));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static bool Owns(Attachment attachment, TransportProtocol protocol, int port) =>
        attachment.Ports.Slice.Contains(port) || attachment.OwnedClaims.Any(c => c.Protocol == protocol && c.Range.Contains(port));
}

/// <summary>A process that holds a socket.</summary>
internal sealed record SocketHolder(int Pid, string Name);

/// <summary>Finds processes by the sockets that they hold: the only way from one to the other that the kernel has.</summary>
internal static class SocketHolders
{
    /// <summary>By inode; those of processes that may not be looked into, or have just ended, are missing.</summary>
    public static Dictionary<uint, SocketHolder> Find(IEnumerable<uint> inodes)
    {
        var wanted = new Dictionary<string, uint>();
        foreach (var inode in inodes.Where(i => i != 0))
        {
            wanted[string.Create(CultureInfo.InvariantCulture, $"socket:[{inode}]")] = inode;
        }

        var found = new Dictionary<uint, SocketHolder>();
        foreach (var process in Directory.EnumerateDirectories("/proc"))
        {
            if (found.Count == wanted.Count)
            {
                break;
            }

            if (int.TryParse(Path.GetFileName(process), NumberStyles.None, CultureInfo.InvariantCulture, out var pid))
            {
                Look(process, pid, wanted, found);
            }
        }

        return found;
    }

    private static void Look(string process, int pid, Dictionary<string, uint> wanted, Dictionary<uint, SocketHolder> found)
    {
        try
        {
            foreach (var file in Directory.EnumerateFileSystemEntries(process + "/fd"))
            {
                if (new FileInfo(file).LinkTarget is { } target && wanted.TryGetValue(target, out var inode))
                {
                    found.TryAdd(inode, new SocketHolder(pid, File.ReadAllText(process + "/comm").TrimEnd('\n')));
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended, or belongs to somebody whom we may not look at.
        }
    }
}
