using System.Buffers.Binary;
using System.Text;
using CniIsolator.Netlink.Tc;

namespace CniIsolator.Netlink.Tests.Protocol;

/// <summary>What is made of counters as kernels of all ages show them, whole and cut short.</summary>
public class StatisticsAnswerTests
{
    private const ushort NewQdisc = 36;
    private const ushort NewClass = 40;
    private const ushort NewFilter = 44;
    private static readonly FilterAttachment At = new(7, TcHandle.Ingress, 10, EthernetProtocol.InternetProtocol);
    private static readonly byte[] Basic = Answer.Attribute(1, [.. Words(0x89abcdef, 0x01234567, 5), 0, 0, 0, 0]);
    private static readonly byte[] Queue = Answer.Attribute(3, Words(6, 7, 8, 9, 10));
    private static readonly QueueStatistics Expected = new(0x0123456789abcdef, 5, 6, 7, 8, 9, 10);

    [Fact]
    public void Qdiscs_and_classes_have_what_was_counted()
    {
        byte[] answer = Tc("pfifo", [.. Basic, .. Queue]);
        var expected = new TcStatistic(7, "pfifo", 0x10001, 0x10000, Expected);
        Assert.Equal(expected, Assert.Single(Qdisc(answer)));
        Assert.Equal(expected, Assert.Single(Class(answer)));
        Assert.Equal(expected, Assert.Single(Qdisc(answer, index: 0)));
        Assert.Empty(Qdisc(answer, index: 8));
    }

    [Fact]
    public void Wide_count_of_packets_goes_before_the_narrow_one_in_any_order()
    {
        var wide = Answer.Attribute(8, [.. Words(5, 1)]);
        Assert.Equal(Expected with { Packets = (1ul << 32) + 5 }, Qdisc(Tc("htb", [.. Basic, .. wide, .. Queue]))[0].Counters);
        Assert.Equal(Expected with { Packets = (1ul << 32) + 5 }, Qdisc(Tc("htb", [.. wide, .. Queue, .. Basic]))[0].Counters);
    }

    [Fact]
    public void Class_right_below_an_htb_names_the_htb_and_other_kinds_what_they_said()
    {
        byte[] root = [0xff, 0xff, 0xff, 0xff];
        Assert.Equal(0x10000u, Class(Tc("htb", Basic, root))[0].Parent);
        Assert.Equal(TcHandle.Root, Class(Tc("drr", Basic, root))[0].Parent);
        Assert.Equal(TcHandle.Root, Qdisc(Tc("htb", Basic, root))[0].Parent);
    }

    [Fact]
    public void What_was_not_counted_is_zero()
    {
        Assert.Equal(default, Qdisc(Tc("noqueue", []))[0].Counters);
        Assert.Equal(Expected with { Bytes = 0, Packets = 0 }, Qdisc(Tc("noqueue", Queue))[0].Counters);
    }

    [Fact]
    public void Fair_queue_tells_more()
    {
        var all = Words(0, 11, 12, 13, 14, 15, 16, 17, 18, 19);
        var expected = new FqCodelStatistics
        {
            LargestPacket = 11,
            DropsOverLimit = 12,
            EcnMarks = 13,
            NewFlows = 14,
            NewFlowsLength = 15,
            OldFlowsLength = 16,
            ThresholdMarks = 17,
            MemoryUsage = 18,
            DropsOverMemory = 19,
        };
        var found = Qdisc(Tc("fq_codel", [.. Answer.Attribute(4, all), .. Basic, .. Queue]))[0];
        Assert.Equal((expected, Expected), (found.FqCodel!.Value, found.Counters));

        // Kernels before 4.7, and those to come.
        Assert.Equal(
            expected with { MemoryUsage = 0, DropsOverMemory = 0 }, Qdisc(Tc("fq_codel", Answer.Attribute(4, all[..32])))[0].FqCodel);
        Assert.Equal(expected, Qdisc(Tc("fq_codel", Answer.Attribute(4, [.. all, 1, 2, 3, 4])))[0].FqCodel);
    }

    [Fact]
    public void Counters_of_a_flow_and_of_other_kinds_are_not_those_of_a_fair_queue()
    {
        Assert.Null(Class(Tc("fq_codel", Answer.Attribute(4, Words(1, 2, 3, 4, 5, 6, 7, 0, 0, 0))))[0].FqCodel);
        Assert.Null(Qdisc(Tc("htb", Answer.Attribute(4, Words(0, 2, 3, 4, 5))))[0].FqCodel);
        Assert.Null(Qdisc(Tc("fq_codel", Basic))[0].FqCodel);
    }

    [Fact]
    public void Nodes_have_what_their_first_action_counted()
    {
        byte[] first = Answer.Attribute(1, [.. Answer.Attribute(1, [.. "mirred\0"u8]), .. Answer.Attribute(4, [.. Basic, .. Queue])]);
        byte[] second = Answer.Attribute(2, Answer.Attribute(4, [.. Basic, .. Answer.Attribute(8, Words(99, 0))]));
        Assert.Equal([new U32Statistic(new U32Handle(1, 2, 3), Expected)], Nodes(Node(Answer.Attribute(7, [.. first, .. second]))));
    }

    [Fact]
    public void Nodes_without_an_action_and_other_filters_are_left_out()
    {
        var counted = Answer.Attribute(7, Answer.Attribute(1, Answer.Attribute(4, Basic)));
        Assert.Single(Nodes(Node(counted)));
        Assert.Empty(Nodes(Node(Answer.Attribute(5, new byte[16]))));
        Assert.Empty(Nodes(Node(Answer.Attribute(7, Answer.Attribute(1, Answer.Attribute(2, new byte[28]))))));
        Assert.Empty(Nodes(Node(counted, kind: "bpf")));
        Assert.Empty(Nodes(Node(counted, priority: 11)));
        Assert.Empty(Nodes(Node(counted, handle: 0)));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(19)]
    [InlineData(22)]
    public void Place_that_is_not_there_has_no_nodes(int errno)
    {
        using var connection = new NetlinkConnection(new FakeKernel(r => [Datagram.Of(Answer.Error(r[0], errno))]));
        Assert.Empty(U32Filters.ListStatistics(connection, At));
    }

    [Fact]
    public void Interrupted_dump_is_taken_again_and_forgotten()
    {
        var attempts = 0;
        using var connection = new NetlinkConnection(new FakeKernel(r =>
        [
            Datagram.Of(
                Answer.Message(NewQdisc, (ushort)(++attempts % 2 == 1 ? 0x12 : 2), r[0].Sequence, Tc("htb", Basic)), Answer.Done(r[0])),
        ]));
        Assert.Single(TcStatistics.ListQdiscs(connection, 0));
        Assert.Equal(2, attempts);
    }

    [Theory]
    [InlineData(1, 15)]
    [InlineData(3, 19)]
    [InlineData(8, 7)]
    [InlineData(4, 3)]
    [InlineData(4, 31)]
    public void Values_too_short_are_a_protocol_error(ushort attribute, int length)
    {
        var statistics = Answer.Attribute(attribute, new byte[length]);
        Assert.Throws<NetlinkProtocolException>(() => Qdisc(Tc("fq_codel", statistics)));
        if (attribute != 4)
        {
            Assert.Throws<NetlinkProtocolException>(() => Nodes(Node(Answer.Attribute(7, Answer.Attribute(1, Answer.Attribute(4, statistics))))));
        }
    }

    [Fact]
    public void Answers_cut_anywhere_end_in_a_protocol_error_or_a_result()
    {
        var refused = 0;
        byte[] statistics = [.. Basic, .. Queue, .. Answer.Attribute(8, Words(5, 0)), .. Answer.Attribute(4, new byte[40])];
        var qdisc = Tc("fq_codel", statistics);
        var node = Node(Answer.Attribute(7, Answer.Attribute(1, Answer.Attribute(4, statistics))));
        for (var length = 0; length < qdisc.Length; length++)
        {
            refused += Refused(() => Qdisc(qdisc[..length])) + Refused(() => Class(qdisc[..length]));
        }

        for (var length = 0; length < node.Length; length++)
        {
            refused += Refused(() => Nodes(node[..length]));
        }

        Assert.True(refused > 200, "nothing was cut");
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

    private static List<TcStatistic> Qdisc(byte[] payload, int index = 7)
    {
        using var connection = Connect(NewQdisc, payload);
        return TcStatistics.ListQdiscs(connection, index);
    }

    private static List<TcStatistic> Class(byte[] payload)
    {
        using var connection = Connect(NewClass, payload);
        return TcStatistics.ListClasses(connection, 7);
    }

    private static List<U32Statistic> Nodes(byte[] payload)
    {
        using var connection = Connect(NewFilter, payload);
        return U32Filters.ListStatistics(connection, At);
    }

    private static NetlinkConnection Connect(ushort type, byte[] payload) => new(new FakeKernel(
        r => [Datagram.Of(Answer.Message(type, 2, r[0].Sequence, payload)), Datagram.Of(Answer.Done(r[0]))]));

    // tcmsg of 1:1 below 1: or another parent, on the device 7.
    private static byte[] Tc(string kind, byte[] statistics, byte[]? parent = null) =>
    [
        .. new byte[4], 7, 0, 0, 0, 1, 0, 1, 0, .. parent ?? [0, 0, 1, 0], .. new byte[4],
        .. Answer.Attribute(1, [.. Encoding.ASCII.GetBytes(kind), 0]),
        .. Answer.Attribute(7, statistics),
    ];

    // tcmsg of the node 1:2:3.
    private static byte[] Node(byte[] options, string kind = "u32", ushort priority = 10, uint handle = 0x00102003) =>
    [
        .. new byte[4], .. Words(7, handle, TcHandle.Ingress, (uint)(priority << 16) | 8),
        .. Answer.Attribute(1, [.. Encoding.ASCII.GetBytes(kind), 0]),
        .. Answer.Attribute(2, options),
    ];

    private static byte[] Words(params uint[] words)
    {
        var bytes = new byte[4 * words.Length];
        for (var i = 0; i < words.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4 * i), words[i]);
        }

        return bytes;
    }
}
