using System.Globalization;
using System.Text;
using CniIsolator.Linux;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Route;

namespace CniIsolator.KernelState;

/// <summary>
/// Which network namespaces are in use, as far as this process sees: those that processes are in, and those that are mounted somewhere. It must see
/// the host's processes: run with a process namespace of its own it would find containers empty.
/// </summary>
public static class NamespaceUsage
{
    // PROC_PID_INIT_INO of linux/proc_ns.h
    private const ulong InitialProcessNamespace = 0xeffffffc;

    /// <summary>Whether this process sees all processes there are: that is so in the machine's first process namespace.</summary>
    public static bool SeesAllProcesses => NetworkNamespace.Glance("/proc/self/ns/pid")?.Inode == InitialProcessNamespace;

    /// <summary>The namespaces that processes are in.</summary>
    public static HashSet<NamespaceIdentity> ReadInhabited() => Read(ProcessPaths());

    /// <summary>The namespaces that processes are in, and those that are mounted somewhere.</summary>
    public static HashSet<NamespaceIdentity> ReadUsed() => Read(ProcessPaths().Concat(MountedPaths()));

    /// <summary>The far ends of veths that are in a namespace in use: the near end's index with the far end's.</summary>
    /// <param name="own">The namespace of the near ends. Another may have links with the same indexes.</param>
    public static HashSet<VethPair> ReadFarEnds(NetworkNamespace own)
    {
        HashSet<VethPair> ends = [];
        HashSet<NamespaceIdentity> seen = [own.Identity];
        foreach (var path in ProcessPaths().Concat(MountedPaths()))
        {
            if (NetworkNamespace.Glance(path) is not { } identity || !seen.Add(identity))
            {
                continue;
            }

            try
            {
                using var entered = NetworkNamespace.Open(path);
                ends.UnionWith(entered.Run(() =>
                {
                    using var connection = NetlinkConnection.Open();
                    var veths = Links.List(connection).FindAll(l => l.Kind == "veth" && l.PeerNamespace is not null);

                    // Behind the list: the kernel gives an id when it first shows a link.
                    return veths.Count > 0 && NamespaceIds.Find(connection, own.Descriptor) is { } id
                        ? veths.FindAll(l => l.PeerNamespace == id).ConvertAll(l => new VethPair(l.PeerIndex, l.Index))
                        : [];
                }));
            }
            catch (IOException)
            {
                // It has just ended. Another process of it, or another mount, may still lead there.
                seen.Remove(identity);
            }
        }

        return ends;
    }

    private static HashSet<NamespaceIdentity> Read(IEnumerable<string> paths)
    {
        HashSet<NamespaceIdentity> found = [];
        foreach (var path in paths)
        {
            if (NetworkNamespace.Glance(path) is { } identity)
            {
                found.Add(identity);
            }
        }

        return found;
    }

    private static IEnumerable<string> ProcessPaths() => Directory.EnumerateDirectories("/proc")
        .Where(path => int.TryParse(Path.GetFileName(path), NumberStyles.None, CultureInfo.InvariantCulture, out _))
        .Select(path => path + "/ns/net");

    /// <summary>Where namespaces are mounted, which is how they are kept without a process.</summary>
    private static IEnumerable<string> MountedPaths() => File.ReadLines("/proc/self/mountinfo")
        .Select(line => line.Split(' '))
        .Where(fields => fields.Length > 4 && fields[3].StartsWith("net:[", StringComparison.Ordinal))
        .Select(fields => Unescape(fields[4]));

    /// <summary>Blanks, tabs, line ends and backslashes of a path stand in mountinfo as three octal digits behind a backslash.</summary>
    internal static string Unescape(string path)
    {
        var plain = new StringBuilder(path.Length);
        for (var i = 0; i < path.Length; i++)
        {
            if (path[i] == '\\' && i + 3 < path.Length)
            {
                plain.Append((char)Convert.ToInt32(path.Substring(i + 1, 3), 8));
                i += 3;
            }
            else
            {
                plain.Append(path[i]);
            }
        }

        return plain.ToString();
    }
}

/// <summary>The indexes of a veth's ends, each in its namespace.</summary>
public sealed record VethPair(int Near, int Far);
