using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.SocketDiagnostics;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Netlink.Tests.Protocol;

/// <summary>Whatever bytes come, parsing ends, and in nothing but this library's own exceptions.</summary>
public class MutationTests
{
    private const int Rounds = 4000;
    private static readonly FilterAttachment At = new(7, TcHandle.Ingress, 10, EthernetProtocol.InternetProtocol);

    private static byte[] Counters =>
        [.. Answer.Attribute(1, new byte[16]), .. Answer.Attribute(8, new byte[8]), .. Answer.Attribute(3, new byte[20]), .. Answer.Attribute(4, new byte[40])];

    private static byte[] CountedAction => Answer.Attribute(7, Answer.Attribute(1, Answer.Attribute(4, Counters)));

    // Well-formed payloads for the mutations to start from; random bytes alone seldom get past the first length.
    private static readonly (ushort Type, byte[] Payload)[] Seeds = [
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

    private static readonly Action<NetlinkConnection>[] Readers = [
        c => Links.List(c), c => Links.Find(c, 7), c => Addresses.List(c, 0), c => Routes.ListDefaults(c),
        c => Neighbours.Find(c, 7, InternetAddress.Loopback), c => LinkStatistics.List(c), c => Qdiscs.List(c, 0),
        c => U32Filters.List(c, At), c => U32Filters.ListPriorities(c, 7, TcHandle.Ingress), c => Listeners.List(c),
        c => Qdiscs.Find(c, 7, TcHandle.Root), c => Htb.ListClasses(c, 7),
        c => TcStatistics.ListQdiscs(c, 0), c => TcStatistics.ListClasses(c, 0), c => U32Filters.ListStatistics(c, At),
        c => TcpSockets.Visit(c, AddressFamily.InterNetwork, _ => { }, () => { }), c => Listeners.ListPorts(c),
    ];

    [Fact]
    public void Random_bytes_through_the_walkers_end_in_a_protocol_error_or_at_the_end()
    {
        var random = new Random(20260101);
        for (var round = 0; round < Rounds; round++)
        {
            var bytes = new byte[random.Next(200)];
            random.NextBytes(bytes);

            // Small lengths are the ones that get anywhere.
            for (var i = 0; i < bytes.Length; i += 4)
            {
                bytes[i] = (byte)random.Next(40);
                bytes[Math.Min(i + 1, bytes.Length - 1)] = 0;
                bytes[Math.Min(i + 2, bytes.Length - 1)] &= (byte)random.Next(256);
                bytes[Math.Min(i + 3, bytes.Length - 1)] = 0;
            }

            Walk(bytes);
        }
    }

    [Fact]
    public void Mutated_answers_end_in_our_exceptions_or_in_a_result()
    {
        var random = new Random(20260102);
        for (var round = 0; round < Rounds; round++)
        {
            var (type, seed) = Seeds[random.Next(Seeds.Length)];
            var payload = seed.ToArray();
            var whole = random.Next(4) == 0;
            if (!whole)
            {
                Mutate(payload, random);
            }

            foreach (var reader in Readers)
            {
                using var connection = new NetlinkConnection(new FakeKernel(requests =>
                {
                    var message = Answer.Message(type, 2, requests[0].Sequence, payload[..(payload.Length - random.Next(2) * random.Next(payload.Length))]);
                    if (whole)
                    {
                        Mutate(message, random);
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
        }
    }

    [Fact]
    public void Keys_that_a_selector_does_not_have_are_a_protocol_error()
    {
        var payload = Seeds[7].Payload.ToArray();

        // The last 48 bytes are the selector with its two keys; byte 2 of it counts them.
        payload[^46] = 200;
        using var connection = new NetlinkConnection(new FakeKernel(
            r => [Datagram.Of(Answer.Message(44, 2, r[0].Sequence, payload)), Datagram.Of(Answer.Done(r[0]))]));
        Assert.Throws<NetlinkProtocolException>(() => U32Filters.List(connection, At));
    }

    private static void Mutate(byte[] bytes, Random random)
    {
        for (var n = random.Next(1, 5); n > 0; n--)
        {
            bytes[random.Next(bytes.Length)] = random.Next(3) switch
            {
                0 => 0,
                1 => (byte)random.Next(16),
                _ => (byte)random.Next(256),
            };
        }
    }

    private static void Walk(byte[] bytes)
    {
        var steps = 0;
        try
        {
            foreach (var message in new MessageReader(bytes))
            {
                Assert.True(++steps <= bytes.Length);
                WalkAttributes(new AttributeReader(message.Payload), ref steps, bytes.Length);
            }
        }
        catch (NetlinkProtocolException)
        {
        }

        try
        {
            WalkAttributes(new AttributeReader(bytes), ref steps, bytes.Length);
        }
        catch (NetlinkProtocolException)
        {
        }
    }

    private static void WalkAttributes(AttributeReader reader, ref int steps, int limit)
    {
        foreach (var attribute in reader)
        {
            // Each level below re-reads at most its bytes, and each step takes four.
            Assert.True(++steps <= limit * limit);
            _ = attribute.AsString();
            try
            {
                _ = attribute.As<ulong>();
                WalkAttributes(attribute.Nested, ref steps, limit);
            }
            catch (NetlinkProtocolException)
            {
            }
        }
    }

    private static byte[] Payload(Action<NetlinkBatch> write)
    {
        var batch = new NetlinkBatch();
        write(batch);
        return batch.Bytes[16..].ToArray();
    }
}
