using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace CniIsolator.Netlink.Tests.Golden;

/// <summary>
/// A message as indented text: header, fixed structure, attributes sorted by type. It leaves out what differs from
/// one request to the next (lengths, nlmsg_seq, nlmsg_pid, NLM_F_ACK, NLM_F_ECHO) and the order of attributes,
/// which the kernel does not see. It is a parser of its own, so that it does not share a mistake with the library.
/// </summary>
internal static class MessageTree
{
    private const ushort AckAndEcho = 0x4 | 0x8;
    private const int NestedFlag = 0x8000;

    // What stands inside an attribute, by message type and path of attribute types: how long a fixed structure
    // comes before nested attributes. Attributes that are not listed hold a value.
    private static readonly Dictionary<string, int> LinkNests = new()
    {
        ["/18"] = 0, // IFLA_LINKINFO
        ["/18/2"] = 0, // IFLA_INFO_DATA
        ["/18/2/1"] = 16, // VETH_INFO_PEER: struct ifinfomsg
        ["/26"] = 0, // IFLA_AF_SPEC
        ["/26/10"] = 0, // AF_INET6
    };

    // The same numbers mean other things inside the options of qdiscs and classes: 7 is a rate in those of htb.
    private static readonly Dictionary<string, int> QdiscNests = new()
    {
        ["/2"] = 0, // TCA_OPTIONS
    };

    private static readonly Dictionary<string, int> FilterNests = new()
    {
        ["/2"] = 0, // TCA_OPTIONS
        ["/2/7"] = 0, // TCA_U32_ACT
        ["/2/7/1"] = 0, // first action
        ["/2/7/1/2"] = 0, // TCA_ACT_OPTIONS
    };

    public static string Parse(byte[] message)
    {
        var type = BinaryPrimitives.ReadUInt16LittleEndian(message.AsSpan(4));
        var (structure, nests) = type switch
        {
            >= 16 and <= 19 => (16, LinkNests),
            >= 20 and <= 22 => (8, []),
            >= 24 and <= 30 => (12, []),
            >= 36 and <= 42 => (20, QdiscNests),
            >= 44 and <= 46 => (20, FilterNests),
            90 => (4, []),
            _ => throw new ArgumentException($"no layout for message type {type}", nameof(message)),
        };
        return Parse(message, structure, nests);
    }

    /// <summary>A request to sock_diag: struct inet_diag_req_v2, or the older inet_diag_req (TCPDIAG_GETSOCK), and nothing behind it.</summary>
    public static string ParseSockets(byte[] message) => Parse(message, BinaryPrimitives.ReadUInt16LittleEndian(message.AsSpan(4)) == 18 ? 60 : 56, []);

    private static string Parse(ReadOnlySpan<byte> message, int structure, Dictionary<string, int> nests)
    {
        Assert.Equal(message.Length, (int)BinaryPrimitives.ReadUInt32LittleEndian(message));
        var type = BinaryPrimitives.ReadUInt16LittleEndian(message[4..]);
        var flags = BinaryPrimitives.ReadUInt16LittleEndian(message[6..]) & ~AckAndEcho;
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"message {type} flags {flags:x}\n");
        Body(text, message[16..], structure, nests, "");
        return text.ToString();
    }

    private static void Body(StringBuilder text, ReadOnlySpan<byte> bytes, int structure, Dictionary<string, int> nests, string path)
    {
        var indent = new string(' ', 2 * path.Count(c => c == '/'));
        if (structure > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"{indent}structure {Convert.ToHexStringLower(bytes[..structure])}\n");
            bytes = bytes[structure..];
        }

        var attributes = new List<(int Type, string Text)>();
        while (!bytes.IsEmpty)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(bytes);
            var type = BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]);
            var value = bytes[4..length];
            var next = Math.Min((length + 3) & ~3, bytes.Length);
            Assert.Equal(-1, bytes[length..next].IndexOfAnyExcept((byte)0));
            bytes = bytes[next..];

            var own = string.Create(CultureInfo.InvariantCulture, $"{path}/{type & ~NestedFlag}");
            var line = new StringBuilder();
            line.Append(CultureInfo.InvariantCulture, $"{indent}{own}{((type & NestedFlag) != 0 ? " nested" : "")}");
            if (nests.TryGetValue(own, out var inner))
            {
                line.Append('\n');
                Body(line, value, inner, nests, own);
            }
            else
            {
                line.Append(CultureInfo.InvariantCulture, $" = {Convert.ToHexStringLower(value)}\n");
            }

            attributes.Add((type, line.ToString()));
        }

        foreach (var attribute in attributes.OrderBy(a => a.Type & ~NestedFlag))
        {
            text.Append(attribute.Text);
        }
    }
}
