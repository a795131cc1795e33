using System.Net;
using System.Net.Sockets;
using System.Text;

namespace CniIsolator.Testbed.Tests;

public sealed class FrameTests : IDisposable
{
    private readonly Topology _topology = new();

    public void Dispose() => _topology.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_kernel_takes_a_crafted_datagram_with_and_without_options(bool options)
    {
        using Socket receiver = Receiver(5000);
        using PacketSocket wire = PacketSocket.Open(_topology.Out, Topology.OutInterface);
        wire.Send(Wrap(Frames.Udp(From, To(5000), "crafted!"u8, options ? [1, 1, 1, 0] : null)));
        Assert.Equal("crafted!", await ReceiveAsync(receiver));
    }

    [Fact]
    public async Task The_kernel_puts_crafted_fragments_together()
    {
        using Socket receiver = Receiver(5001);
        using PacketSocket wire = PacketSocket.Open(_topology.Out, Topology.OutInterface);
        string text = new('x', 3000);
        IReadOnlyList<byte[]> fragments = Frames.Fragments(Frames.Udp(From, To(5001), Encoding.ASCII.GetBytes(text)), 1480, 77);
        Assert.Equal(3, fragments.Count);
        foreach (byte[] fragment in fragments.Reverse())
        {
            wire.Send(Wrap(fragment));
        }

        Assert.Equal(text, await ReceiveAsync(receiver));
    }

    [Fact]
    public void A_crafted_syn_to_a_closed_port_is_reset_and_the_answer_captured()
    {
        using PacketSocket wire = PacketSocket.Open(_topology.Out, Topology.OutInterface, frame => frame.View.IsTcp);
        wire.Send(Wrap(Frames.Tcp(From, To(5002), sequence: 41)));
        CapturedFrame? reset = wire.WaitFor(frame => !frame.Outgoing && frame.View.SourcePort == 5002 && (frame.View.TcpFlags & 4) != 0);
        Assert.NotNull(reset);
        Assert.True(reset.View.HeaderChecksumOk);
    }

    [Fact]
    public void A_crafted_echo_request_and_arp_request_are_answered()
    {
        using PacketSocket wire = PacketSocket.Open(_topology.Out, Topology.OutInterface);
        wire.Send(Wrap(Frames.IPv4(_topology.OutAddress, _topology.HostAddress, Frames.ProtocolIcmp, Frames.IcmpEcho(8, 7, 1, "payload"u8))));
        CapturedFrame? answer = wire.WaitFor(frame => !frame.Outgoing && frame.View.IcmpType == 0);
        Assert.NotNull(answer);
        Assert.Equal("payload"u8.ToArray(), answer.View.Payload.ToArray());

        wire.Send(Frames.Ethernet(
            MacAddress.Broadcast, _topology.OutMac, Frames.EtherTypeArp, Frames.Arp(1, _topology.OutMac, _topology.OutAddress, default, _topology.HostAddress)));
        CapturedFrame? reply = wire.WaitFor(frame => !frame.Outgoing && frame.View.ArpOperation == 2);
        Assert.NotNull(reply);
        Assert.Equal(_topology.HostMac, reply.View.SourceMac);
    }

    [Fact]
    public async Task A_crafted_icmp_error_reaches_the_socket_it_is_about()
    {
        using Socket sender = Receiver(5003);
        await sender.ConnectAsync(new IPEndPoint(_topology.RoutedAddress, 6000));
        using PacketSocket wire = PacketSocket.Open(_topology.Out, Topology.OutInterface);
        byte[] offender = Frames.Udp(To(5003), new IPEndPoint(_topology.RoutedAddress, 6000), "x"u8);
        wire.Send(Wrap(Frames.IPv4(_topology.OutAddress, _topology.HostAddress, Frames.ProtocolIcmp, Frames.IcmpError(3, 3, offender))));
        using CancellationTokenSource timer = new(Wait.Patience);
        SocketException error = await Assert.ThrowsAsync<SocketException>(async () => await sender.ReceiveAsync(new byte[10], timer.Token));
        Assert.Equal(SocketError.ConnectionRefused, error.SocketErrorCode);
    }

    [Fact]
    public void A_capture_sees_a_crafted_frame_on_the_other_side()
    {
        using PacketSocket seen = PacketSocket.Open(_topology.Host, "eth0", frame => frame.View.EtherType == 0x88b5);
        using PacketSocket wire = PacketSocket.Open(_topology.Out, Topology.OutInterface);
        byte[] frame = Frames.Ethernet(_topology.HostMac, _topology.OutMac, 0x88b5, new byte[60]);
        wire.Send(frame);
        Assert.Equal(frame, seen.WaitFor(_ => true)?.Data);
        Assert.Null(seen.WaitFor(one => one.Outgoing, TimeSpan.Zero));
    }

    private IPEndPoint From => new(_topology.OutAddress, 4000);

    private IPEndPoint To(int port) => new(_topology.HostAddress, port);

    private byte[] Wrap(byte[] packet) => Frames.Ethernet(_topology.HostMac, _topology.OutMac, Frames.EtherTypeIPv4, packet);

    private Socket Receiver(int port) => _topology.Host.Run(() =>
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(To(port));
        return socket;
    });

    private static async Task<string> ReceiveAsync(Socket socket)
    {
        using CancellationTokenSource timer = new(Wait.Patience);
        byte[] buffer = new byte[64 * 1024];
        return Encoding.ASCII.GetString(buffer, 0, await socket.ReceiveAsync(buffer, timer.Token));
    }
}
