using System.Buffers.Binary;
using CniIsolator.Netlink;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.SocketDiagnostics;
using CniIsolator.Netlink.Tc;
using CniIsolator.Netlink.Tests.Protocol;

namespace CniIsolator.Fuzz;

/// <summary>
/// What the kernel might answer: a byte that chooses the message's type, one the reader, and the message's payload. Reading ends in a
/// result or in one of the library's own exceptions, and never looks outside what came.
/// </summary>
public sealed class NetlinkTarget : Target
{
    private static readonly FilterAttachment At = new(7, TcHandle.Ingress, 10, EthernetProtocol.InternetProtocol);

    // Well-formed payloads; random bytes alone seldom get past the first length.
    private static readonly (ushort Type, byte[] Payload)[] Answers =
    [
        (16, Payload(batch => Links.CreateVeth(batch, new VethEnd("near", 3), new VethEnd("far", 2), 4, default, 1500))),
        (16, Payload(batch => Links.SetUp(batch, 7, "", default(MacAddress), 1500, "alias", true))),
        (20, Payload(batch => Addresses.Add(batch, 7, InternetAddress.Loopback, 8))),
        (24, Payload(batch => Routes.AddDefault(batch, 7, InternetAddress.Loopback))),
        (28, Payload(batch => Neighbours.AddStale(batch, 7, InternetAddress.Loopback, default))),
        (36, Payload(batch => Qdiscs.AddClsact(batch, 7, ""))),
        (44, Payload(batch => U32Filters.Add(batch, new U32Table(At, new U32Handle(1, 0, 0), 256), ""))),
        (44, Payload(batch => U32Filters.Add(batch, new U32Node(At, new U32Handle(1, 8, 1), [U32Key.Any, U32Key.Any]) { Action = Mirred.Redirect(8) }, ""))),
        (44, Payload(batch => U32Filters.Add(batch, new U32Node(At, new U32Handle(0, 0, 1), [U32Key.Any]) { Link = new U32Link(2, Offset: U32Offset.BehindIPv4) }, ""))),
        (20, new byte[72]),
        (92, [.. new byte[12], .. Answer.Attribute(1, new byte[192])]),
        (36, Payload(batch => Htb.AddQdisc(batch, 7, 0x10000, new HtbSettings(1, 0), ""))),
        (36, Payload(batch => FqCodel.Add(batch, 7, TcHandle.Root, 0x10000, new FqCodelSettings(5000, 100_000, 64), ""))),
        (40, Payload(batch => Htb.AddClass(batch, 7, new HtbClass(0x10001, 0x10000, 1, 1, 1, 1, 1), ""))),
        (44, Payload(batch => U32Filters.Add(batch, new U32Node(At, new U32Handle(0, 0, 1), [U32Key.Any]) { Class = 0x10001 }, ""))),
        (36, [.. new byte[20], .. Answer.Attribute(1, [.. "fq_codel\0"u8]), .. Answer.Attribute(7, Counters)]),
        (44, [.. new byte[4], 7, 0, 0, 0, 3, 32, 16, 0, .. new byte[4], 8, 0, 10, 0, .. Answer.Attribute(1, [.. "u32\0"u8]), .. Answer.Attribute(2, CountedAction)]),
        (20, [.. new byte[72], .. Answer.Attribute(2, new byte[104])]),
    ];

    private static readonly Action<NetlinkConnection>[] Readers =
    [
        c => Links.List(c), c => Links.Find(c, 7), c => Addresses.List(c, 0), c => Routes.ListDefaults(c),
        c => Neighbours.Find(c, 7, InternetAddress.Loopback), c => LinkStatistics.List(c), c => Qdiscs.List(c, 0),
        c => U32Filters.List(c, At), c => U32Filters.ListPriorities(c, 7, TcHandle.Ingress), c => Listeners.List(c),
        c => Qdiscs.Find(c, 7, TcHandle.Root), c => Htb.ListClasses(c, 7),
        c => TcStatistics.ListQdiscs(c, 0), c => TcStatistics.ListClasses(c, 0), c => U32Filters.ListStatistics(c, At),
        c => TcpSockets.Visit(c, AddressFamily.InterNetwork, _ => { }, () => { }), c => Listeners.ListPorts(c),
    ];

    public override string Name => "netlink";

    public override int Weight => 40;

    public override IReadOnlyList<byte[]> Seeds { get; } = [.. Answers.Select((answer, i) => (byte[])[(byte)i, 0, .. answer.Payload])];

    // Lengths and types of attributes, which is what a netlink answer consists of.
    public override IReadOnlyList<string> Words { get; } =
        ["\u0004\0\u0001\0", "\u0008\0\u0002\0", "\u0005\0\u0003\0", "\0\0\0\0", "\u0003\0\u0001\0", "\u007f\u007f\u0001\0", "\u0010\0\u0012\0", "u32\0", "fq_codel\0", "veth\0"];

    private static byte[] Counters =>
        [.. Answer.Attribute(1, new byte[16]), .. Answer.Attribute(8, new byte[8]), .. Answer.Attribute(3, new byte[20]), .. Answer.Attribute(4, new byte[40])];

    private static byte[] CountedAction => Answer.Attribute(7, Answer.Attribute(1, Answer.Attribute(4, Counters)));

    public override void Try(byte[] input, Random random)
    {
        if (input.Length < 2)
        {
            return;
        }

        var reader = Readers[(input[1] + random.Next(Readers.Length)) % Readers.Length];
        using var connection = new NetlinkConnection(new FakeKernel(requests =>
        {
            var message = Answer.Message(Answers[input[0] % Answers.Length].Type, 2, requests[0].Sequence, input[2..]);
            switch (random.Next(8))
            {
                case 0:
                    BinaryPrimitives.WriteInt32LittleEndian(message, random.Next(-2, message.Length + 20)); // nlmsg_len that lies
                    break;
                case 1:
                    BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(4), (ushort)random.Next(6)); // a control message
                    break;
                case 2:
                    BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(6), (ushort)random.Next(1 << 16)); // any flags
                    break;
                default:
                    break;
            }

            return [Datagram.Of(message, Answer.Error(requests[0], 0)), Datagram.Of(Answer.Done(requests[0]))];
        }));
        try
        {
            reader(connection);
        }
        catch (Exception e) when (e is NetlinkException or NetlinkProtocolException or SilenceException)
        {
        }
    }

    private static byte[] Payload(Action<NetlinkBatch> write)
    {
        var batch = new NetlinkBatch();
        write(batch);
        return batch.Bytes[16..].ToArray();
    }
}
