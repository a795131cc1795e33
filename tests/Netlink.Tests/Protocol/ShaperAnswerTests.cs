using System.Buffers.Binary;
using CniIsolator.Linux;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Netlink.Tests.Protocol;

/// <summary>What is made of qdiscs and classes as kernels of all ages show them, whole and cut short.</summary>
public class ShaperAnswerTests
{
    private const ushort NewQdisc = 36;
    private const ushort NewClass = 40;

    [Fact]
    public void Narrow_rates_count_where_there_are_no_wide_ones()
    {
        var answer = Message("htb", Answer.Attribute(1, Parameters(125_000, 250_000)));
        Assert.Equal([new HtbClass(0x10001, 0x10000, 125_000, 250_000, 11, 12, 13)], Classes(answer));
    }

    [Fact]
    public void Wide_rates_count_before_narrow_ones_in_any_order()
    {
        var parameters = Answer.Attribute(1, Parameters(uint.MaxValue, uint.MaxValue));
        var (rate, ceil) = (Answer.Attribute(6, Wide(1L << 32)), Answer.Attribute(7, Wide(1L << 40)));
        var expected = new HtbClass(0x10001, 0x10000, 1L << 32, 1L << 40, 11, 12, 13);
        Assert.Equal([expected], Classes(Message("htb", [.. parameters, .. rate, .. ceil])));
        Assert.Equal([expected], Classes(Message("htb", [.. ceil, .. rate, .. parameters])));
        Assert.Equal([expected with { Rate = uint.MaxValue }], Classes(Message("htb", [.. parameters, .. ceil])));
    }

    [Fact]
    public void Classes_of_other_qdiscs_are_passed_over()
    {
        // Bytes that an htb class could not hold: another kind's numbers mean other things.
        var answer = Message("fq_codel", Answer.Attribute(1, 1));
        Assert.Empty(Classes(answer));
    }

    [Fact]
    public void Longer_structures_of_newer_kernels_are_cut()
    {
        var answer = Message("htb", Answer.Attribute(1, [.. Parameters(1, 2), .. new byte[20]]));
        Assert.Equal(new HtbClass(0x10001, 0x10000, 1, 2, 11, 12, 13), Assert.Single(Classes(answer)));
    }

    [Fact]
    public void Kernel_without_direct_qlen_or_options_is_read_as_zero()
    {
        byte[] initial = [3, 0, 0, 0, 10, 0, 0, 0, 0x1f, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0];
        Assert.Equal(new HtbSettings(0x1f, 0), Find(Message("htb", Answer.Attribute(2, initial)))?.Htb);
        Assert.Equal(new HtbSettings(0x1f, 7), Find(Message("htb", [.. Answer.Attribute(2, initial), .. Answer.Attribute(5, 7, 0, 0, 0)]))?.Htb);
        Assert.Equal(new HtbSettings(0, 0), Find(Message("htb", []))?.Htb);
    }

    [Fact]
    public void Settings_belong_to_their_own_kind_alone()
    {
        byte[] target = Answer.Attribute(1, 0x88, 0x13, 0, 0);
        var fair = Find(Message("fq_codel", [.. target, .. Answer.Attribute(5, 64, 0, 0, 0)]));
        Assert.Equal(new FqCodelSettings(5000, null, 64), fair?.FqCodel);
        Assert.Null(fair?.Htb);
        Assert.Equal((0x10001u, 0x10000u, false), (fair!.Handle, fair.Parent, fair.IsDefault));

        var other = Find(Message("pfifo_fast", target));
        Assert.Equal(("pfifo_fast", null, null), (other?.Kind, other?.Htb, other?.FqCodel));
    }

    [Fact]
    public void Qdiscs_of_other_places_and_devices_are_passed_over()
    {
        var answer = Message("htb", []);
        Assert.NotNull(Find(answer));
        Assert.Null(Find(answer, index: 8));
        Assert.Null(Find(answer, parent: TcHandle.Root));
    }

    [Fact]
    public void Refusals_are_told()
    {
        using var connection = new NetlinkConnection(new FakeKernel(r => [Datagram.Of(Answer.Error(r[0], 1))]));
        Assert.Equal(Errno.NotPermitted, Assert.Throws<NetlinkException>(() => Qdiscs.Find(connection, 7, TcHandle.Root)).Errno);
    }

    [Fact]
    public void Answers_cut_anywhere_end_in_a_protocol_error_or_a_result()
    {
        var parameters = Answer.Attribute(1, Parameters(uint.MaxValue, uint.MaxValue));
        var refused = 0;
        foreach (var whole in new[]
        {
            Message("htb", [.. parameters, .. Answer.Attribute(6, Wide(1L << 32)), .. Answer.Attribute(7, Wide(1L << 33))]),
            Message("htb", [.. Answer.Attribute(2, new byte[20]), .. Answer.Attribute(5, new byte[4])]),
            Message("fq_codel", [.. Answer.Attribute(1, new byte[4]), .. Answer.Attribute(3, new byte[4]), .. Answer.Attribute(5, new byte[4])]),
        })
        {
            for (var length = 0; length < whole.Length; length++)
            {
                refused += Refused(() => Classes(whole[..length])) + Refused(() => Find(whole[..length]));
            }
        }

        Assert.True(refused > 100, "nothing was cut");
    }

    [Theory]
    [InlineData("htb", 1, 43, true)]
    [InlineData("htb", 6, 7, true)]
    [InlineData("htb", 7, 4, true)]
    [InlineData("htb", 2, 19, false)]
    [InlineData("htb", 5, 3, false)]
    [InlineData("fq_codel", 1, 3, false)]
    [InlineData("fq_codel", 3, 0, false)]
    [InlineData("fq_codel", 5, 2, false)]
    public void Values_too_short_are_a_protocol_error(string kind, ushort attribute, int length, bool ofClass)
    {
        var answer = Message(kind, Answer.Attribute(attribute, new byte[length]));
        Assert.Equal(1, Refused(ofClass ? () => Classes(answer) : () => Find(answer)));
    }

    private static int Refused(Action read)
    {
        try
        {
            read();
            return 0;
        }
        catch (NetlinkProtocolException)
        {
            return 1;
        }
    }

    private static List<HtbClass> Classes(byte[] payload)
    {
        using var connection = new NetlinkConnection(new FakeKernel(
            r => [Datagram.Of(Answer.Message(NewClass, 2, r[0].Sequence, payload)), Datagram.Of(Answer.Done(r[0]))]));
        return Htb.ListClasses(connection, 7);
    }

    private static Qdisc? Find(byte[] payload, int index = 7, uint parent = 0x10000)
    {
        using var connection = new NetlinkConnection(new FakeKernel(
            r => [Datagram.Of(Answer.Message(NewQdisc, 2, r[0].Sequence, payload)), Datagram.Of(Answer.Done(r[0]))]));
        return Qdiscs.Find(connection, index, parent);
    }

    // tcmsg of 1:1 below 1: on the device 7; classes and qdiscs look alike.
    private static byte[] Message(string kind, byte[] options) =>
    [
        .. new byte[4], 7, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, .. new byte[4],
        .. Answer.Attribute(1, [.. System.Text.Encoding.ASCII.GetBytes(kind), 0]),
        .. Answer.Attribute(2, options),
    ];

    private static byte[] Parameters(uint rate, uint ceil)
    {
        var bytes = new byte[44];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), rate);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(20), ceil);
        bytes[24] = 11;
        bytes[28] = 12;
        bytes[32] = 13;
        return bytes;
    }

    private static byte[] Wide(long rate)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, rate);
        return bytes;
    }
}
