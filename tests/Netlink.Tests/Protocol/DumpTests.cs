using CniIsolator.Linux;
using CniIsolator.Netlink.Protocol;
using CniIsolator.Netlink.Route;

namespace CniIsolator.Netlink.Tests.Protocol;

/// <summary>How <see cref="NetlinkConnection"/> reads dumps.</summary>
public class DumpTests
{
    [Fact]
    public void Dump_may_come_in_several_datagrams()
    {
        using var connection = Connect(r =>
        [
            Datagram.Of(NewLink(r[0], 1), NewLink(r[0], 2)),
            Datagram.Of(NewLink(r[0], 3)),
            Datagram.Of(Answer.Done(r[0])),
        ]);
        Assert.Equal([1, 2, 3], Links.List(connection).Select(l => l.Index));
    }

    [Fact]
    public void Dump_request_asks_for_no_acknowledgement()
    {
        var flags = MessageFlags.None;
        using var connection = Connect(r =>
        {
            flags = r[0].Flags;
            return [Datagram.Of(Answer.Done(r[0]))];
        });
        Assert.Empty(Links.List(connection));
        Assert.Equal(MessageFlags.Request | MessageFlags.Dump, flags);
    }

    [Fact]
    public void Interrupted_dump_is_taken_again_and_forgotten()
    {
        var attempts = 0;
        using var connection = Connect(r => ++attempts < 3
            ? [Datagram.Of(NewLink(r[0], 1), NewLink(r[0], attempts + 1, flags: 0x10)), Datagram.Of(Answer.Done(r[0]))]
            : [Datagram.Of(NewLink(r[0], 9), Answer.Done(r[0]))]);

        Assert.Equal(9, Assert.Single(Links.List(connection)).Index);
        Assert.Equal(3, attempts);
    }

    [Fact]
    public void Interruption_may_stand_in_the_closing_message_alone_and_is_given_up_after_five_times()
    {
        using var kernel = new FakeKernel(r => [Datagram.Of(NewLink(r[0], 1), Answer.Done(r[0], flags: 0x12))]);
        using var connection = new NetlinkConnection(kernel);

        var e = Assert.Throws<NetlinkException>(() => Links.List(connection));

        Assert.Equal((Errno.Interrupted, 5), (e.Errno, kernel.Requests));
    }

    [Fact]
    public void Error_in_the_closing_message_is_reported()
    {
        using var connection = Connect(r => [Datagram.Of(NewLink(r[0], 1), Answer.Done(r[0], errno: 12))]);
        Assert.Equal(Errno.OutOfMemory, Assert.Throws<NetlinkException>(() => Links.List(connection)).Errno);
    }

    [Fact]
    public void Error_in_place_of_a_dump_is_reported_with_the_kernels_words()
    {
        using var connection = Connect(r => [Datagram.Of(Answer.Error(r[0], 22, "Invalid header"))]);
        var e = Assert.Throws<NetlinkException>(() => Links.List(connection));
        Assert.Equal((Errno.Invalid, "Invalid header"), (e.Errno, e.KernelText));
    }

    [Fact]
    public void Messages_of_others_in_a_dump_are_passed_over()
    {
        using var connection = Connect(r =>
        [
            Datagram.Of(NewLink(r[0], 1)) with { Sender = 5 },
            Datagram.Of(NewLink(r[0] with { Sequence = 77 }, 2), NewLink(r[0], 3, port: 5), NewLink(r[0], 4)),
            Datagram.Of(Answer.Message(1, 0, r[0].Sequence, []), Answer.Done(r[0])),
        ]);
        Assert.Equal(4, Assert.Single(Links.List(connection)).Index);
    }

    [Fact]
    public void Lying_attribute_length_is_a_protocol_error()
    {
        foreach (var lie in new byte[] { 0, 3, 9, 0xff })
        {
            using var connection = Connect(r => [Datagram.Of(Answer.Message(16, 2, r[0].Sequence, [.. new byte[16], lie, 0, 3, 0, 0x61, 0, 0, 0]))]);
            Assert.Throws<NetlinkProtocolException>(() => Links.List(connection));
        }
    }

    [Fact]
    public void Message_too_short_for_its_structure_is_a_protocol_error()
    {
        using var connection = Connect(r => [Datagram.Of(Answer.Message(16, 2, r[0].Sequence, new byte[15]))]);
        Assert.Throws<NetlinkProtocolException>(() => Links.List(connection));
    }

    [Fact]
    public void Attribute_too_short_for_its_value_is_a_protocol_error()
    {
        using var connection = Connect(r => [Datagram.Of(Answer.Message(16, 2, r[0].Sequence, [.. new byte[16], .. Answer.Attribute(4, 1, 2)]))]);
        Assert.Throws<NetlinkProtocolException>(() => Links.List(connection));
    }

    private static NetlinkConnection Connect(Func<List<NetlinkHeader>, IEnumerable<Datagram>> answer) => new(new FakeKernel(answer));

    private static byte[] NewLink(NetlinkHeader request, int index, ushort flags = 0, uint port = FakeKernel.Port)
    {
        var header = new byte[16];
        BitConverter.TryWriteBytes(header.AsSpan(4), index);
        return Answer.Message(16, (ushort)(2 | flags), request.Sequence, header, port);
    }
}
