using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Netlink.Tests.Protocol;

/// <summary>Whatever bytes come, the walkers end, and in nothing but this library's own exceptions. Whole answers are fuzzed in tests/Fuzz.</summary>
public class MutationTests
{
    private const int Rounds = 4000;
    private static readonly FilterAttachment At = new(7, TcHandle.Ingress, 10, EthernetProtocol.InternetProtocol);

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
    public void Keys_that_a_selector_does_not_have_are_a_protocol_error()
    {
        var payload = Payload(batch => U32Filters.Add(batch, new U32Node(At, new U32Handle(1, 8, 1), [U32Key.Any, U32Key.Any]) { Action = Mirred.Redirect(8) }, ""));

        // The last 48 bytes are the selector with its two keys; byte 2 of it counts them.
        payload[^46] = 200;
        using var connection = new NetlinkConnection(new FakeKernel(
            r => [Datagram.Of(Answer.Message(44, 2, r[0].Sequence, payload)), Datagram.Of(Answer.Done(r[0]))]));
        Assert.Throws<NetlinkProtocolException>(() => U32Filters.List(connection, At));
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
