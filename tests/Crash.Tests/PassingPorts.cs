using System.Globalization;
using System.Text.RegularExpressions;
using CniIsolator.Testbed;

namespace CniIsolator.Crash.Tests;

/// <summary>
/// The ports that the host's filters let the victim send from and receive on, as tc shows them: in the middle of a change they are among the old
/// and the new ones, and those that it keeps are always there.
/// </summary>
public static partial class PassingPorts
{
    private const int SliceSize = 1024;

    // Tables of a hook on the host, by what SourcePolicing and PortDemultiplexer put into them.
    private const int Sources = 0x700;
    private const int QuotedDestinations = 0x703;
    private const int Destinations = 0x610;
    private const int QuotedSources = 0x620;

    private static readonly int[] Protocols = [6, 17, 132];

    /// <summary>Fails if the filters pass a port too many, or not one that is in both lists.</summary>
    /// <param name="scene">The host.</param>
    /// <param name="had">Fixed ports before the change, for TCP and UDP.</param>
    /// <param name="gets">And behind it.</param>
    public static void Require(Scene scene, int[] had, int[] gets)
    {
        ArgumentNullException.ThrowIfNull(scene);
        string hostEnd = Path.GetFileNameWithoutExtension(scene.Records.Single());
        HashSet<(int Protocol, int Port)> slice = [.. from protocol in Protocols from port in Enumerable.Range(Scene.FirstSlice, SliceSize) select (protocol, port)];
        HashSet<(int Protocol, int Port)> most = [.. slice, .. OfTcpAndUdp(had.Union(gets))], least = [.. slice, .. OfTcpAndUdp(had.Intersect(gets))];
        Compare("sent", ReadSent(scene.Host, hostEnd));
        Compare("received on eth0", ReadReceived(scene.Host, "eth0", hostEnd));
        Compare("received on lo", ReadReceived(scene.Host, "lo", hostEnd));

        void Compare(string what, Dictionary<int, HashSet<(int, int)>> tables)
        {
            foreach ((int table, HashSet<(int, int)> found) in tables)
            {
                if (!found.IsSubsetOf(most) || !found.IsSupersetOf(least))
                {
                    throw new CellException($"{what} by {table:x}: too many {string.Join(' ', found.Except(most).Take(20))}, missing {string.Join(' ', least.Except(found).Take(20))}");
                }
            }
        }
    }

    private static IEnumerable<(int, int)> OfTcpAndUdp(IEnumerable<int> ports) => ports.SelectMany(port => new[] { (6, port), (17, port) });

    /// <summary>What may be a source, and what an error may quote.</summary>
    private static Dictionary<int, HashSet<(int, int)>> ReadSent(Namespace host, string hostEnd)
    {
        Dictionary<int, HashSet<(int, int)>> found = new() { [Sources] = [], [QuotedDestinations] = [] };
        foreach (Node node in Read(host, hostEnd))
        {
            if (node.Table == Sources && Protocols.Contains(node.Bucket))
            {
                found[Sources].UnionWith(Ports(node.Matches["nexthdr+0"], isHigh: true).Select(port => (node.Bucket, port)));
            }
            else if (node.Table == QuotedDestinations)
            {
                int protocol = (int)(node.Matches["nexthdr+16"].Value >> 16) & 0xff;
                found[QuotedDestinations].UnionWith(Ports(node.Matches["nexthdr+28"], isHigh: false).Select(port => (protocol, port)));
            }
        }

        return found;
    }

    /// <summary>What leads to the container by its destination, and by the source that an error quotes.</summary>
    private static Dictionary<int, HashSet<(int, int)>> ReadReceived(Namespace host, string device, string hostEnd)
    {
        Dictionary<int, HashSet<(int, int)>> found = new() { [Destinations] = [], [QuotedSources] = [] };
        foreach (Node node in Read(host, device).Where(node => node.Text.Contains($"Redirect to device {hostEnd})", StringComparison.Ordinal)))
        {
            if ((node.Table & ~3) is not (Destinations or QuotedSources))
            {
                throw new CellException($"{device} has a filter that leads to the container from another table: {node.Text}");
            }

            int[] protocols = (node.Table & 3) == 0 ? Protocols : [Protocols[(node.Table & 3) - 1]];
            found[node.Table & ~3].UnionWith(
                from port in Ports(node.Matches["0"], isHigh: (node.Table & ~3) == QuotedSources) from protocol in protocols select (protocol, port));
        }

        return found;
    }

    private static IEnumerable<int> Ports((uint Value, uint Mask) match, bool isHigh)
    {
        (int value, int mask) = isHigh ? ((int)(match.Value >> 16), (int)(match.Mask >> 16)) : ((int)match.Value & 0xffff, (int)match.Mask & 0xffff);
        return Enumerable.Range(value, 0x10000 - mask);
    }

    private static IEnumerable<Node> Read(Namespace host, string device) =>
        from block in Filter().Matches(host.Tc($"filter show dev {device} ingress"))
        select new Node(
            (int)Hex(block, 1),
            (int)Hex(block, 2),
            Match().Matches(block.Value).ToDictionary(match => match.Groups[3].Value, match => ((uint)Hex(match, 1), (uint)Hex(match, 2))),
            block.Value);

    private static long Hex(Match match, int group) =>
        match.Groups[group].Length == 0 ? 0 : long.Parse(match.Groups[group].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    // Tables themselves have no node.
    [GeneratedRegex(@"^filter [^\n]* fh ([0-9a-f]+):([0-9a-f]*):[0-9a-f]+ [^\n]*\n(?:(?!filter )[^\n]*\n?)*", RegexOptions.Multiline)]
    private static partial Regex Filter();

    [GeneratedRegex(@"match ([0-9a-f]{8})/([0-9a-f]{8}) at (\S+)")]
    private static partial Regex Match();

    private sealed record Node(int Table, int Bucket, Dictionary<string, (uint Value, uint Mask)> Matches, string Text);
}
