using System.Buffers.Binary;
using CniIsolator.Linux;
using CniIsolator.Netlink.Route;
using CniIsolator.Netlink.SocketDiagnostics;

namespace CniIsolator.Netlink.Tests.Protocol;

/// <summary>What is made of sockets as kernels of all ages show them, whole and cut short.</summary>
public class SocketAnswerTests
{
    private const ushort ByFamily = 20;

    [Fact]
    public void Socket_has_its_ports_and_what_was_measured()
    {
        byte[] information = [.. Information(1234, 56), .. new byte[144]];
        byte[] answer = [.. Socket(1, 31001, 40000), .. Answer.Attribute(10, 0), .. Answer.Attribute(2, information)];
        Assert.Equal([new TcpSocket(TcpState.Established, 31001, 40000, 1234, 56)], Visit(answer));
        Assert.Equal([new TcpSocket(TcpState.Established, 31001, 40000, 1234, 56)], Visit([.. Socket(1, 31001, 40000), .. Answer.Attribute(2, Information(1234, 56))]));
    }

    [Fact]
    public void Socket_without_information_has_zeros()
    {
        Assert.Equal([new TcpSocket(TcpState.TimeWait, 31001, 40000, 0, 0)], Visit(Socket(6, 31001, 40000)));
    }

    [Fact]
    public void Information_too_short_is_a_protocol_error()
    {
        Assert.Throws<NetlinkProtocolException>(() => Visit([.. Socket(1, 1, 2), .. Answer.Attribute(2, Information(1, 2)[..^1])]));
    }

    [Fact]
    public void Answers_cut_anywhere_end_in_a_protocol_error_or_a_result()
    {
        byte[] whole = [.. Socket(1, 31001, 40000), .. Answer.Attribute(2, Information(1, 2))];
        var refused = 0;
        for (var length = 0; length < whole.Length; length++)
        {
            try
            {
                Visit(whole[..length]);
            }
            catch (NetlinkProtocolException)
            {
                refused++;
            }
        }

        // What is read ends with the message, or has fewer bytes behind it than an attribute's header.
        Assert.Equal(whole.Length - 4, refused);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(22)]
    [InlineData(95)]
    public void Kernel_without_diagnostics_is_told_apart_from_no_sockets(int errno)
    {
        using var connection = new NetlinkConnection(new FakeKernel(r => [Datagram.Of(Answer.Error(r[0], errno))]));
        Assert.False(TcpSockets.Visit(connection, AddressFamily.InterNetwork, _ => Assert.Fail(), () => { }));
        Assert.Empty(Listeners.ListPorts(connection));
    }

    [Fact]
    public void Other_refusals_are_told()
    {
        using var connection = new NetlinkConnection(new FakeKernel(r => [Datagram.Of(Answer.Error(r[0], 1))]));
        Assert.Equal(
            Errno.NotPermitted,
            Assert.Throws<NetlinkException>(() => TcpSockets.Visit(connection, AddressFamily.InterNetwork, _ => { }, () => { })).Errno);
        Assert.Throws<NetlinkException>(() => Listeners.ListPorts(connection));
    }

    [Fact]
    public void Whoever_visits_is_told_to_forget_before_each_attempt()
    {
        var attempts = 0;
        using var connection = new NetlinkConnection(new FakeKernel(r =>
            [Datagram.Of(Message(r[0].Sequence, ++attempts < 3, Socket(10, (ushort)attempts, 0)), Answer.Done(r[0]))]));
        var calls = new List<int>();
        Assert.True(TcpSockets.Visit(connection, AddressFamily.InterNetwork, s => calls.Add(s.LocalPort), () => calls.Add(0)));
        Assert.Equal([0, 1, 0, 2, 0, 3], calls);
    }

    [Fact]
    public void Ports_are_told_once_for_each_protocol_and_not_from_interrupted_dumps()
    {
        // Of the first protocol and family the first attempt is interrupted; it alone has seen port 9.
        var attempts = 0;
        using var connection = new NetlinkConnection(new FakeKernel(r =>
        [
            Datagram.Of(
                Message(r[0].Sequence, ++attempts == 1, Socket(7, attempts == 1 ? (ushort)9 : (ushort)31001, 0)),
                Message(r[0].Sequence, false, Socket(7, 0, 0)),
                Answer.Done(r[0])),
        ]));
        Assert.Equal(
            [new BoundPort(6, 31001), new BoundPort(17, 31001), new BoundPort(132, 31001)],
            Listeners.ListPorts(connection).OrderBy(p => p.Protocol));
        Assert.Equal(7, attempts);
    }

    private static List<TcpSocket> Visit(byte[] payload)
    {
        using var connection = new NetlinkConnection(new FakeKernel(r => [Datagram.Of(Message(r[0].Sequence, false, payload), Answer.Done(r[0]))]));
        var sockets = new List<TcpSocket>();
        Assert.True(TcpSockets.Visit(connection, AddressFamily.InterNetwork, sockets.Add, sockets.Clear));
        return sockets;
    }

    private static byte[] Message(uint sequence, bool interrupted, byte[] payload) =>
        Answer.Message(ByFamily, (ushort)(interrupted ? 0x12 : 2), sequence, payload);

    // struct inet_diag_msg.
    private static byte[] Socket(byte state, ushort localPort, ushort remotePort)
    {
        var bytes = new byte[72];
        bytes[0] = 2;
        bytes[1] = state;
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(4), localPort);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(6), remotePort);
        return bytes;
    }

    // struct tcp_info up to tcpi_total_retrans.
    private static byte[] Information(uint roundTrip, uint retransmitted)
    {
        var bytes = new byte[104];
        Array.Fill(bytes, (byte)0xee);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(68), roundTrip);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(100), retransmitted);
        return bytes;
    }
}
